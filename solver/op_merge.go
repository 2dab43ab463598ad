package solver

import (
	"context"

	"slipway/solver/snapshot"

	"github.com/moby/buildkit/solver/pb"
)

// mergeOp implements merge operations (COPY --link, llb.Merge), which stack the layers of
// their inputs.
type mergeOp struct {
	opEnv
	op *pb.MergeOp
}

// CacheMap implements [Op].
func (o *mergeOp) CacheMap(context.Context) (*CacheMap, error) { return o.cacheMap(nil) }

// Run implements [Op].
func (o *mergeOp) Run(_ context.Context, in []*snapshot.Snapshot) ([]*snapshot.Snapshot, error) {
	var list []*snapshot.Snapshot
	n := 0
	for _, m := range o.op.Inputs {
		s := snapshotAt(in, m.Input)
		list, n = append(list, s), n+s.Chain().Len()
	}
	if err := snapshot.CheckLayers(n); err != nil {
		return nil, err
	}
	out, err := snapshot.Merge(list)
	return []*snapshot.Snapshot{out}, err
}

// diffOp implements diff operations (llb.Diff), which return the layers of the upper
// input that the lower input lacks.
type diffOp struct {
	opEnv
	op *pb.DiffOp
}

// CacheMap implements [Op].
func (o *diffOp) CacheMap(context.Context) (*CacheMap, error) { return o.cacheMap(nil) }

// Run implements [Op].
func (o *diffOp) Run(_ context.Context, in []*snapshot.Snapshot) ([]*snapshot.Snapshot, error) {
	lower, upper := snapshotAt(in, o.op.GetLower().GetInput()), snapshotAt(in, o.op.GetUpper().GetInput())
	out, err := snapshot.Diff(lower, upper)
	return []*snapshot.Snapshot{out}, err
}
