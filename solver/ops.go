package solver

import (
	"fmt"

	"github.com/moby/buildkit/solver/pb"
)

// waiter is implemented by operations whose method Run waits for other vertices. These
// operations run without a slot of the scheduler. If they occupied slots, all slots could
// belong to waiting operations, and the vertices that they wait for could never run.
type waiter interface{ waitsForVertices() }

// newOp returns the [Op] that implements the operation of the vertex v. It panics if the
// operation is unknown, which [Load] rejects.
func newOp(e *env, v *Vertex) Op {
	if e.opt.NewOp != nil {
		return e.opt.NewOp(v)
	}
	of := opEnv{e, v}
	switch o := v.Op.Op.(type) {
	case *pb.Op_Source:
		return &sourceOp{opEnv: of, op: o.Source}
	case *pb.Op_Exec:
		return &execOp{opEnv: of, op: o.Exec}
	case *pb.Op_File:
		return &fileOp{opEnv: of, op: o.File}
	case *pb.Op_Merge:
		return &mergeOp{opEnv: of, op: o.Merge}
	case *pb.Op_Diff:
		return &diffOp{opEnv: of, op: o.Diff}
	case *pb.Op_Passthrough:
		return &passthroughOp{opEnv: of, op: o.Passthrough}
	case *pb.Op_Build:
		return &buildOp{opEnv: of, op: o.Build}
	}
	panic(fmt.Sprintf("solver: operation %T passed the check", v.Op.Op))
}
