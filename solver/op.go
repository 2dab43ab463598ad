package solver

import (
	"context"
	"fmt"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"slipway/solver/tree"
)

// newOp returns what a vertex does. The vertex was checked.
func newOp(t *task) op {
	switch o := t.v.Op.Op.(type) {
	case *pb.Op_Source:
		return &sourceOp{task: t, op: o.Source, source: newFuture[Source]()}
	case *pb.Op_Exec:
		return &execOp{task: t, op: o.Exec}
	case *pb.Op_File:
		return &fileOp{task: t, op: o.File}
	case *pb.Op_Merge:
		return &mergeOp{task: t, op: o.Merge}
	case *pb.Op_Diff:
		return &diffOp{task: t, op: o.Diff}
	case *pb.Op_Build:
		return &buildOp{task: t, op: o.Build}
	}
	panic(fmt.Sprintf("solver: operation %T passed the check", t.v.Op.Op))
}

// baseKey starts a key with the operation itself.
func (t *task) baseKey() (Key, error) {
	var k Key
	d, err := operationDigest(t.v.Op)
	k.add("operation", d)
	return k, err
}

// ahead works out the inputs whose content is part of a key, and the keys of the
// others, side by side: each may take long.
func ahead(ctx context.Context, in []*Result, content func(i int64) bool) error {
	g, ctx := errgroup.WithContext(ctx)
	for i, r := range in {
		g.Go(func() (err error) {
			if content(int64(i)) {
				_, err = r.Snapshot(ctx)
			} else {
				_, err = r.Key(ctx)
			}
			return err
		})
	}
	return g.Wait()
}

// addInput adds the i-th input of which all matters, with how it came about.
func (k *Key) addInput(ctx context.Context, name string, i int64, in *Result) error {
	d, err := in.Key(ctx)
	k.Parts = append(k.Parts, Part{Name: name, Digest: d, Input: int(i)})
	return err
}

// input returns an input by its number in the definition; nil for the empty
// tree, which has none.
func (t *task) input(in []*Result, i int64) *Result {
	if i < 0 || i >= int64(len(in)) {
		return nil
	}
	return in[i]
}

// sourceOp gets what is outside.
type sourceOp struct {
	*task
	op     *pb.SourceOp
	source *future[Source]
}

func (o *sourceOp) open(ctx context.Context) (Source, error) {
	return o.source.get(ctx, o.b, func(ctx context.Context) (Source, error) {
		return o.b.opt.Sources.Open(ctx, o.op, o.v.Op.Platform)
	})
}

func (o *sourceOp) key(ctx context.Context, _ []*Result) (Key, error) {
	src, err := o.open(ctx)
	if err != nil {
		return Key{}, err
	}
	return Key{Parts: []Part{{Name: "content", Digest: src.Digest(), Input: -1}}}, nil
}

func (o *sourceOp) run(ctx context.Context, _ []*Result) ([]*Snapshot, error) {
	src, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	s, err := src.Fetch(ctx)
	return []*Snapshot{s}, err
}

// mergeOp stacks trees.
type mergeOp struct {
	*task
	op *pb.MergeOp
}

func (o *mergeOp) key(ctx context.Context, in []*Result) (Key, error) {
	k, err := o.baseKey()
	for i, m := range o.op.Inputs {
		if err == nil {
			err = k.addInput(ctx, fmt.Sprintf("tree %d", i), m.Input, o.input(in, m.Input))
		}
	}
	return k, err
}

func (o *mergeOp) run(ctx context.Context, in []*Result) ([]*Snapshot, error) {
	var list []*Snapshot
	n := 0
	for _, m := range o.op.Inputs {
		s, err := o.input(in, m.Input).Snapshot(ctx)
		if err != nil {
			return nil, err
		}
		list, n = append(list, s), n+len(s.Layers())
	}
	if err := checkLayers(n); err != nil {
		return nil, err
	}
	return []*Snapshot{merge(list)}, nil
}

// diffOp takes one tree out of another.
type diffOp struct {
	*task
	op *pb.DiffOp
}

func (o *diffOp) key(ctx context.Context, in []*Result) (Key, error) {
	k, err := o.baseKey()
	if err == nil {
		err = k.addInput(ctx, "lower", o.op.GetLower().GetInput(), o.input(in, o.op.GetLower().GetInput()))
	}
	if err == nil {
		err = k.addInput(ctx, "upper", o.op.GetUpper().GetInput(), o.input(in, o.op.GetUpper().GetInput()))
	}
	return k, err
}

func (o *diffOp) run(ctx context.Context, in []*Result) ([]*Snapshot, error) {
	lower, err := o.input(in, o.op.GetLower().GetInput()).Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	upper, err := o.input(in, o.op.GetUpper().GetInput()).Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return []*Snapshot{difference(lower, upper)}, nil
}

// contentDigest names a tree by what is in it.
func contentDigest(n *tree.Node) digest.Digest {
	if n == nil {
		return "none"
	}
	return n.Digest()
}
