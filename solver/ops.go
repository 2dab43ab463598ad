package solver

import (
	"context"
	"fmt"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/solver/cachemap"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
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

// nested is implemented by operations that wait for other vertices while they
// run. They hold no slot, as the vertices that they wait for need one.
type nested interface{ waitsForVertices() }

// opEnv is what the operations of a build share.
type opEnv struct {
	job *Job
	v   *Vertex
}

// newOp returns the operation of a vertex that passed [Load].
func newOp(j *Job, v *Vertex) Op {
	if j.opt.NewOp != nil {
		return j.opt.NewOp(v)
	}
	env := opEnv{j, v}
	switch o := v.Op.Op.(type) {
	case *pb.Op_Source:
		return &sourceOp{opEnv: env, op: o.Source}
	case *pb.Op_Exec:
		return &execOp{opEnv: env, op: o.Exec}
	case *pb.Op_File:
		return &fileOp{opEnv: env, op: o.File}
	case *pb.Op_Merge:
		return &mergeOp{opEnv: env, op: o.Merge}
	case *pb.Op_Diff:
		return &diffOp{opEnv: env, op: o.Diff}
	case *pb.Op_Build:
		return &buildOp{opEnv: env, op: o.Build}
	}
	panic(fmt.Sprintf("solver: operation %T passed the check", v.Op.Op))
}

// cacheMap returns the cache map of an operation whose key follows BuildKit's
// rules. Of every input the whole identity counts; the caller refines Deps.
func (e opEnv) cacheMap() (*CacheMap, error) {
	exported, err := cachemap.Of(e.v.Op)
	if err != nil {
		return nil, err
	}
	m := &CacheMap{
		Parts:    []Part{{Name: "operation", Digest: exported.Digest, Input: -1}},
		Deps:     make([]Dep, len(e.v.Inputs)),
		Exported: exported,
	}
	for i := range m.Deps {
		m.Deps[i] = Dep{Name: fmt.Sprintf("input %d", i), Selector: exported.Inputs[i].Selector}
	}
	return m, nil
}

// snapshotAt returns the input with a number of the definition. If the number is
// -1, it returns nil: the empty tree.
func snapshotAt(in []*snapshot.Snapshot, i int64) *snapshot.Snapshot {
	if i < 0 || i >= int64(len(in)) {
		return nil
	}
	return in[i]
}

// contentDigest returns the digest of a node without times. If n is nil, it
// returns "none".
func contentDigest(n *tree.Node) digest.Digest {
	if n == nil {
		return "none"
	}
	return n.Digest()
}
