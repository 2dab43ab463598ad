package solver

import (
	"context"

	"github.com/opencontainers/go-digest"

	"slipway/solver/cachemap"
	"slipway/solver/snapshot"
)

// Op implements the operation of one vertex. The scheduler calls CacheMap at most once
// per job, and Run at most once and only on a cache miss.
type Op interface {
	// CacheMap returns the dependencies of the outputs. It must not evaluate the inputs
	// of the vertex, because a cache hit makes them unnecessary.
	CacheMap(ctx context.Context) (*CacheMap, error)
	// Run produces the outputs. in contains the snapshot of each input of the vertex.
	Run(ctx context.Context, in []*snapshot.Snapshot) ([]*snapshot.Snapshot, error)
}

// CacheMap lists what the outputs of an operation depend on. The scheduler computes the
// cache key from it.
type CacheMap struct {
	// Parts are the parts of the cache key that cover the operation itself, without its
	// inputs.
	Parts []Part
	// Deps has one entry per input of the vertex.
	Deps []Dep
	// Exported is BuildKit's cache map of the operation, for caches that are exported or
	// imported. If its digest is "", the operation is neither exported nor imported.
	Exported cachemap.Map
}

// Dep describes how the outputs of an operation depend on one input.
type Dep struct {
	Name string // name of the part of the cache key, such as "mount /src"
	// Selector is the digest of the paths that are read from the input. If it is "", the
	// operation reads the whole input.
	Selector digest.Digest
	// Content returns the parts of the cache key that cover the selected files of the
	// input. If Content is nil, the key contains the identity of the input instead. The
	// identity can be known before the input is evaluated.
	Content func(ctx context.Context, in *snapshot.Snapshot) ([]Part, error)
}
