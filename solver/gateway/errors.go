package gateway

import (
	"errors"
	"fmt"

	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/errdefs"

	"slipway/solver"
	"slipway/solver/fileop"
	"slipway/solver/runner"
	"slipway/solver/snapshot"
)

// TypedError wraps an error of the build in the types that clients of BuildKit expect, as the
// methods of references do. Errors without an operation, and errors that have these types, remain
// unchanged.
func (c *Client) TypedError(err error) error {
	var typed *errdefs.SolveError
	if errors.As(err, &typed) {
		return err
	}
	return c.solveError(err)
}

// solveError wraps an error from the solver in the types that clients of BuildKit's gateway
// expect. These types hold the operation, its digest, its locations and the exit code of its
// process. solveError also registers the file systems before and after the failure, so that
// the frontend can mount them in a container.
func (s *shared) solveError(err error) error {
	var of *solver.Error
	if !errors.As(err, &of) {
		return err
	}
	out := &errdefs.Solve{Op: of.Vertex.Op, Description: of.Vertex.Meta.GetDescription()}
	var exec *solver.ExecError
	if errors.As(err, &exec) {
		out.InputIDs, out.MountIDs = s.registerResults(exec.Inputs), s.registerResults(exec.Mounts)
	}
	var action *fileop.ActionError
	if errors.As(err, &action) {
		out.Subject = &errdefs.Solve_File{File: &errdefs.FileAction{Index: int64(action.Index)}}
	}
	var input *solver.InputError
	if errors.As(err, &input) {
		out.InputIDs = s.registerResults([]*snapshot.Snapshot{input.Input})
		out.Subject = &errdefs.Solve_Cache{Cache: &errdefs.ContentCache{Index: int64(input.Index)}}
	}
	if input == nil {
		err = errorWithoutName{of, ""}
	} else {
		err = errorWithoutName{of, "failed to compute cache key: failed to calculate checksum of ref " + out.InputIDs[0] + ": "}
	}
	var exit *runner.ExitError
	if errors.As(err, &exit) {
		err = &gwpb.ExitError{ExitCode: uint32(exit.Code), Err: err}
	}
	err = errdefs.WrapVertex(err, of.Vertex.Digest)
	for _, l := range of.Locations {
		err = errdefs.WithSource(err, &errdefs.Source{Info: l.Source, Ranges: l.Ranges})
	}
	return out.WrapError(err)
}

// errorWithoutName is the error of an operation. Unlike the original error, its text does not
// include the name of the operation, as in BuildKit. The text begins with prefix.
type errorWithoutName struct {
	of     *solver.Error
	prefix string
}

func (e errorWithoutName) Error() string { return e.prefix + e.of.Err.Error() }

// Unwrap returns the original error, whose text contains the name of the operation.
func (e errorWithoutName) Unwrap() error { return e.of }

// registerResults assigns an ID to each snapshot, so that requests for containers can
// mount the snapshot by this ID. The ID of a nil snapshot is "".
func (s *shared) registerResults(list []*snapshot.Snapshot) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.results == nil {
		s.results = map[string]*snapshot.Snapshot{}
	}
	ids := make([]string, len(list))
	for i, snapshot := range list {
		if snapshot != nil {
			ids[i] = fmt.Sprintf("result-%d", len(s.results))
			s.results[ids[i]] = snapshot
		}
	}
	return ids
}

// lookupResult returns the snapshot with an ID that registerResults assigned.
func (s *shared) lookupResult(id string) (*snapshot.Snapshot, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	snapshot, ok := s.results[id]
	return snapshot, ok
}
