package solver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/runner"
	"slipway/solver/snapshot"
)

// ExecError is the error of a RUN step or a file operation. It contains the file systems
// before and after the failure, so that a debugger can mount them.
type ExecError struct {
	Err error
	// Inputs are the file systems before the operation: by mount for a RUN step, by input
	// for a file operation. Mounts are the file systems after the failure: by mount for a
	// RUN step, by action for a file operation. Entries without a file system are nil.
	Inputs, Mounts []*snapshot.Snapshot
}

func (e *ExecError) Error() string { return e.Err.Error() }

// Unwrap returns the error that made the operation fail.
func (e *ExecError) Unwrap() error { return e.Err }

// InputError is the error for an input that cannot be read to compute the cache key, for
// example because a source of COPY does not exist.
type InputError struct {
	Index int // index of the input
	Input *snapshot.Snapshot
	Err   error
}

func (e *InputError) Error() string { return e.Err.Error() }

// Unwrap returns the error from reading the input.
func (e *InputError) Unwrap() error { return e.Err }

// describe adds the command to the error of a process that could not be run. The error of a
// process that has ended contains the command already.
func (x *execRun) describe(ctx context.Context, err error) error {
	var exit *runner.ExitError
	if ctx.Err() != nil || errors.As(err, &exit) {
		return err
	}
	return fmt.Errorf("process %q did not complete successfully: %w", strings.Join(x.p.Args, " "), err)
}

// failed returns err as an [ExecError]. The ExecError contains the file system of each
// mount before and after the failure.
func (x *execRun) failed(err error) error {
	e := &ExecError{Err: err, Inputs: make([]*snapshot.Snapshot, len(x.op.Mounts)), Mounts: make([]*snapshot.Snapshot, len(x.op.Mounts))}
	for i, m := range x.op.Mounts {
		e.Inputs[i] = x.base(m)
		e.Mounts[i] = e.Inputs[i]
	}
	var exit *runner.ExitError
	if !errors.As(err, &exit) || len(exit.Trees) != len(x.sources) {
		return e
	}
	for j, m := range x.sources {
		if m.MountType == pb.MountType_BIND && !m.Readonly && exit.Trees[j] != nil {
			e.Mounts[slices.Index(x.op.Mounts, m)] = x.base(m).With(exit.Trees[j])
		}
	}
	return e
}
