package solver

import (
	"context"

	"slipway/solver/snapshot"

	"github.com/moby/buildkit/solver/pb"
)

// passthroughOp implements passthrough operations (llb.State.Requires), whose outputs are some of
// their inputs. The other inputs are only evaluated.
type passthroughOp struct {
	opEnv
	op *pb.PassthroughOp
}

// CacheMap implements [Op].
func (o *passthroughOp) CacheMap(context.Context) (*CacheMap, error) { return o.cacheMap(nil) }

// Run implements [Op].
func (o *passthroughOp) Run(_ context.Context, in []*snapshot.Snapshot) ([]*snapshot.Snapshot, error) {
	outs := make([]*snapshot.Snapshot, len(o.op.Outputs))
	for i, input := range o.op.Outputs {
		outs[i] = in[input]
	}
	return outs, nil
}
