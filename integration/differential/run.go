package differential

import (
	"context"
	"maps"
	"slices"

	"github.com/moby/buildkit/frontend/dockerfile/builder"
	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"slipway/frontend"
	"slipway/internal/corpus"
	"slipway/internal/golden"
)

// Record contains everything that a frontend did in one build of a case.
type Record = corpus.Record

// Warning is one warning of a build.
type Warning = corpus.Warning

// Upstream returns the frontend of docker/dockerfile.
func Upstream() gateway.BuildFunc { return builder.Build }

// Ours returns the frontend of this module.
func Ours() gateway.BuildFunc { return frontend.Build }

// Run builds a case with a frontend and returns a record of the build. platform
// is the value of the option platform; if it is "", the option is not set. It
// returns an error only if the case is malformed.
func Run(ctx context.Context, build gateway.BuildFunc, c *golden.Case, platform string) (*Record, error) {
	return corpus.Run(ctx, build, c, platform, 0)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
