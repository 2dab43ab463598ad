package solver

import (
	"context"

	"slipway/solver/snapshot"
)

// CacheMap implements [Op].
//
// Upstream: if several mounts have the same input, the last one alone decides
// whether its content counts. Our own keys use the content only if every mount
// permits it, as a mount that passes on more than it selects needs the whole input,
// or if one of them selects all of it.
func (o *execOp) CacheMap(context.Context) (*CacheMap, error) {
	m, err := o.cacheMap()
	if err != nil {
		return nil, err
	}
	mounts := make([][]int, len(m.Deps))
	for i, mount := range o.op.Mounts {
		if in := inputOf(mount); in >= 0 {
			mounts[in] = append(mounts[in], i)
		}
	}
	for i, list := range mounts {
		if len(list) == 0 {
			continue
		}
		m.Deps[i].Name = "mount " + o.op.Mounts[list[0]].Dest
		if in := m.Exported.Inputs[i]; in.ByContent && (!in.Whole || in.Content == nil) {
			m.Deps[i].Content = func(_ context.Context, in *snapshot.Snapshot) ([]Part, error) { return o.mounted(i, list, in) }
		}
	}
	return m, nil
}

// mounted returns the parts of the key for the files that the mounts with these
// numbers select from an input.
func (o *execOp) mounted(input int, mounts []int, in *snapshot.Snapshot) ([]Part, error) {
	var parts []Part
	for _, i := range mounts {
		m := o.op.Mounts[i]
		at, err := in.Tree().Resolve(m.Selector, true)
		if err != nil {
			return nil, err
		}
		parts = append(parts, Part{
			Name: "files of mount " + m.Dest, Digest: contentDigest(in.Tree().Get(at)),
			Input: input, Tree: in.Tree().ID(), From: i,
		})
	}
	return parts, nil
}

// Run implements [Op].
func (o *execOp) Run(ctx context.Context, in []*snapshot.Snapshot) ([]*snapshot.Snapshot, error) {
	if err := o.allowed(); err != nil {
		return nil, err
	}
	x := newExecRun(o, in)
	defer x.release()
	if err := x.secrets(ctx); err != nil {
		return nil, err
	}
	if err := x.mounts(ctx); err != nil {
		return nil, err
	}
	stdout, stderr := o.newOutput(o.v, 1), o.newOutput(o.v, 2)
	x.p.Stdout, x.p.Stderr = stdout, stderr
	trees, err := o.opt.Runner.Run(ctx, x.p)
	if err != nil {
		stdout.flush()
		stderr.flush()
		return nil, x.failed(err)
	}
	outs := make([]*snapshot.Snapshot, outputs(o.v))
	for i, m := range x.from {
		if out := outputOf(m); out >= 0 {
			outs[out] = x.base(m).With(trees[i])
		}
	}
	return outs, nil
}
