package solver

import (
	"context"
	"fmt"

	"slipway/solver/fileop"
	"slipway/solver/snapshot"

	"github.com/moby/buildkit/solver/pb"
)

// buildOp implements build operations, which evaluate an LLB definition from a file in an
// input.
type buildOp struct {
	opEnv
	op *pb.BuildOp
}

func (*buildOp) waitsForVertices() {}

// definitionName is the path of the LLB definition in the input of a build operation,
// unless the operation sets another path.
const definitionName = "buildkit.llb.definition"

// CacheMap implements [Op].
func (o *buildOp) CacheMap(context.Context) (*CacheMap, error) { return o.cacheMap(nil) }

// definitionInput returns the index of the input that contains the LLB definition. If the
// build operation specifies no such input, definitionInput returns -1, which means the
// empty file tree.
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
	root, err := s.Tree()
	if err != nil {
		return nil, err
	}
	data, err := fileop.ReadFile(ctx, o.opt.Store, root, name)
	if err != nil {
		return nil, fmt.Errorf("read the definition: %w", err)
	}
	var def pb.Definition
	if err := def.UnmarshalVT(data); err != nil {
		return nil, fmt.Errorf("%s is not an LLB definition: %w", name, err)
	}
	g, err := Load(&def)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r, err := o.nested(o.v, g)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	out, err := r.Snapshot(ctx)
	return []*snapshot.Snapshot{out}, err
}
