package solver

import (
	"errors"
	"slices"

	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/runner"
)

// ExecError is the failure of a step, with what it started from and left behind,
// so that one can look into it.
type ExecError struct {
	Err error
	// Inputs and Mounts are by number of the mount in the operation: what it
	// was made from, and what it was when the process ended. Where that is
	// nothing, they are nil.
	Inputs, Mounts []*Snapshot
}

func (e *ExecError) Error() string { return e.Err.Error() }

// Unwrap returns what happened.
func (e *ExecError) Unwrap() error { return e.Err }

// failed tells of the failure of the process.
func (x *execRun) failed(err error) error {
	e := &ExecError{Err: err, Inputs: make([]*Snapshot, len(x.op.Mounts)), Mounts: make([]*Snapshot, len(x.op.Mounts))}
	for i, m := range x.op.Mounts {
		e.Inputs[i] = x.base(m)
		e.Mounts[i] = e.Inputs[i]
	}
	var exit *runner.ExitError
	if !errors.As(err, &exit) || len(exit.Trees) != len(x.from) {
		return e
	}
	for j, m := range x.from {
		if m.MountType == pb.MountType_BIND && !m.Readonly && exit.Trees[j] != nil {
			e.Mounts[slices.Index(x.op.Mounts, m)] = x.base(m).With(exit.Trees[j])
		}
	}
	return e
}
