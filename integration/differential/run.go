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

// Record contains everything that a frontend does in one build of a case.
type Record = corpus.Record

// Warning is a warning that a frontend sent during a build, for example from a build check.
type Warning = corpus.Warning

// Upstream returns the frontend of docker/dockerfile.
func Upstream() gateway.BuildFunc { return builder.Build }

// Ours returns the frontend of this project.
func Ours() gateway.BuildFunc { return frontend.Build }

// Run builds a case with a frontend and records the build. The parameter platform is the
// value of the frontend option "platform". If it is "", the option is not set. Run returns
// an error only if the case is malformed. Errors of the frontend are part of the record.
func Run(ctx context.Context, build gateway.BuildFunc, c *golden.Case, platform string) (*Record, error) {
	return corpus.Run(ctx, build, c, platform, 0)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
