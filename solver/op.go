package solver

import (
	"context"

	"github.com/opencontainers/go-digest"

	"slipway/solver/cachemap"
	"slipway/solver/snapshot"
)

// Op evaluates one vertex. The scheduler decides when each method is called:
// CacheMap at most once per build, Run only if no cache has the outputs.
type Op interface {
	// CacheMap describes what the outputs depend on. It must not wait for inputs.
	CacheMap(ctx context.Context) (*CacheMap, error)
	// Run makes the outputs. in has one snapshot per input of the vertex.
	Run(ctx context.Context, in []*snapshot.Snapshot) ([]*snapshot.Snapshot, error)
}

// CacheMap describes what the outputs of an operation depend on.
type CacheMap struct {
	// Parts cover the operation itself, without its inputs.
	Parts []Part
	// Deps has one entry per input of the vertex.
	Deps []Dep
	// Exported is the name of the operation in the caches that BuildKit exports.
	// An operation without a digest there is neither exported nor imported by name.
	Exported cachemap.Map
}

// Dep describes how the outputs depend on one input.
type Dep struct {
	Name string // of the part of the key, such as "mount /src"
	// Selector is the digest of the paths that are read of the input. If it is
	// "", the operation reads all of it.
	Selector digest.Digest
	// Content returns the parts of the key that cover the selected files. If it is
	// nil, the identity of the whole input is part of the key: how it was made
	// matters, and its files need not exist to compute the key.
	Content func(ctx context.Context, in *snapshot.Snapshot) ([]Part, error)
}
