package solver

import (
	"context"

	"github.com/opencontainers/go-digest"

	"slipway/solver/cachemap"
	"slipway/solver/snapshot"
)

// Op evaluates one vertex. The scheduler calls CacheMap at most once per job, and Run
// only on a cache miss.
type Op interface {
	// CacheMap returns the dependencies of the outputs. It must not wait for inputs.
	CacheMap(ctx context.Context) (*CacheMap, error)
	// Run makes the outputs. in has one snapshot per input of the vertex.
	Run(ctx context.Context, in []*snapshot.Snapshot) ([]*snapshot.Snapshot, error)
}

// CacheMap lists the dependencies of the outputs of an operation.
type CacheMap struct {
	// Parts cover the operation itself, without its inputs.
	Parts []Part
	// Deps has one entry per input of the vertex.
	Deps []Dep
	// Exported is the cache map of the operation in caches exported by BuildKit. An
	// operation whose digest there is "" is neither exported nor imported.
	Exported cachemap.Map
}

// Dep describes the dependency of the outputs on one input.
type Dep struct {
	Name string // of the part of the key, such as "mount /src"
	// Selector is the digest of the paths that are read from the input. If it is "", the
	// operation reads the whole input.
	Selector digest.Digest
	// Content returns the parts of the key that cover the selected files. If it is nil,
	// the key contains the identity of the input instead, and its files need not exist to
	// compute the key.
	Content func(ctx context.Context, in *snapshot.Snapshot) ([]Part, error)
}
