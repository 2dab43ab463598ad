package solver

import (
	"context"
	"fmt"
	"slices"

	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/cachemap"
	"slipway/solver/runner"
	"slipway/solver/snapshot"
)

// CacheMap implements [Op].
func (o *execOp) CacheMap(context.Context) (*CacheMap, error) {
	m, err := o.cacheMap(o.contentParts)
	if err != nil {
		return nil, err
	}
	for _, mount := range slices.Backward(o.op.Mounts) { // the last assignment wins: the first mount of each input
		if in := cachemap.MountInput(mount); in >= 0 {
			m.Deps[in].Name = "mount " + mount.Dest
		}
	}
	return m, nil
}

// contentParts returns the parts of the cache key for the files that mounts select from
// an input. If the source of a bind mount does not exist, the error is an [*InputError].
func (o *execOp) contentParts(input int, in *snapshot.Snapshot) ([]Part, error) {
	root, err := in.Tree()
	if err != nil {
		return nil, err
	}
	var parts []Part
	for i, m := range o.op.Mounts {
		if cachemap.MountInput(m) != int64(input) {
			continue
		}
		at, err := root.Resolve(m.Selector, true)
		if err != nil {
			return nil, err
		}
		sum, err := contentDigest(root, at)
		if err != nil {
			return nil, err
		}
		if sum == noContent && m.MountType == pb.MountType_BIND {
			missing := &runner.SourceError{Source: m.Selector, Root: root}
			return nil, &InputError{Index: input, Input: in, Err: fmt.Errorf("mount %s: %w", m.Dest, missing)}
		}
		parts = append(parts, Part{
			Name: "files of mount " + m.Dest, Digest: sum,
			Input: input, Tree: root.ID(), From: i,
		})
	}
	return parts, nil
}

// Run implements [Op].
func (o *execOp) Run(ctx context.Context, in []*snapshot.Snapshot) ([]*snapshot.Snapshot, error) {
	if err := o.checkPermissions(); err != nil {
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
	if err := x.devices(); err != nil {
		return nil, err
	}
	stdout, stderr := o.newOutput(o.v, 1), o.newOutput(o.v, 2)
	x.p.Stdout, x.p.Stderr = stdout, stderr
	if measure := o.opt.Measure; measure != nil {
		x.p.Measure = func(group string) func() { return measure(o.v.Digest, group) }
	}
	started := o.opt.Now()
	trees, err := o.opt.Runner.Run(ctx, x.p)
	if err != nil {
		stdout.flush()
		stderr.flush()
		return nil, x.failed(x.describe(ctx, err))
	}
	outs := make([]*snapshot.Snapshot, outputs(o.v))
	for i, m := range x.sources {
		if out := outputOf(m); out >= 0 {
			outs[out] = x.base(m).WithNew(trees[i], started)
		}
	}
	return outs, nil
}
