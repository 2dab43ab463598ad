package solver

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"slipway/solver/fileop"
	"slipway/solver/snapshot"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
)

// buildOp solves a definition that is a file of an input.
type buildOp struct {
	opEnv
	op *pb.BuildOp
}

func (*buildOp) waitsForVertices() {}

// definitionName is the file with the definition where nobody says another.
const definitionName = "buildkit.llb.definition"

// CacheMap implements [Op].
func (o *buildOp) CacheMap(context.Context) (*CacheMap, error) { return o.cacheMap() }

// definitionInput returns the number of the input with the definition; -1 if the
// operation names none.
func (o *buildOp) definitionInput() int64 {
	if i, ok := o.op.Inputs[pb.LLBDefinitionInput]; ok {
		return i.Input
	}
	return int64(pb.Empty)
}

// Run implements [Op].
func (o *buildOp) Run(ctx context.Context, in []*snapshot.Snapshot) ([]*snapshot.Snapshot, error) {
	if o.op.Builder != int64(pb.LLBBuilder) {
		return nil, fmt.Errorf("only definitions in LLB can be built")
	}
	s := snapshotAt(in, o.definitionInput())
	name := o.op.Attrs[pb.AttrLLBDefinitionFilename]
	if name == "" {
		name = definitionName
	}
	data, err := fileop.ReadFile(ctx, o.job.opt.Store, s.Tree(), name)
	if err != nil {
		return nil, fmt.Errorf("read the definition: %w", err)
	}
	var def pb.Definition
	if err := def.UnmarshalVT(data); err != nil {
		return nil, fmt.Errorf("%s is no definition: %w", name, err)
	}
	g, err := Load(&def)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r, err := o.nested(g)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	out, err := r.Snapshot(ctx)
	return []*snapshot.Snapshot{out}, err
}

// nested returns the result of the definition, unless that cannot be known
// before this operation's own: a file may well tell of the operation that reads
// it, whose digest does not depend on what is in the file.
func (o *buildOp) nested(g *Graph) (*Result, error) {
	var builds []digest.Digest
	for _, v := range g.Vertices {
		if v.Op.GetBuild() != nil {
			builds = append(builds, v.Digest)
		}
	}
	r := o.job.Result(g)
	o.job.mu.Lock()
	defer o.job.mu.Unlock()
	if o.job.needs(builds, o.v.Digest, map[digest.Digest]bool{}) {
		return nil, errors.New("the definition has the operation in it that builds it")
	}
	o.job.nested[o.v.Digest] = builds
	return r, nil
}

// needs reports whether one of the operations is, or waits for, that one.
func (j *Job) needs(builds []digest.Digest, one digest.Digest, seen map[digest.Digest]bool) bool {
	return slices.ContainsFunc(builds, func(d digest.Digest) bool {
		if d == one {
			return true
		}
		if seen[d] {
			return false
		}
		seen[d] = true
		return j.needs(j.nested[d], one, seen)
	})
}
