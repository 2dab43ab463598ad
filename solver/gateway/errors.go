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

// solveError returns err with the types and the text that clients of BuildKit's gateway
// get: the operation, its digest, its locations and the exit code of its process. It
// registers the file systems before and after the failure, so that containers can mount
// them.
func (s *shared) solveError(err error) error {
	var of *solver.Error
	if !errors.As(err, &of) {
		return err
	}
	out := &errdefs.Solve{Op: of.Vertex.Op, Description: of.Vertex.Meta.GetDescription()}
	var exec *solver.ExecError
	if errors.As(err, &exec) {
		out.InputIDs, out.MountIDs = s.register(exec.Inputs), s.register(exec.Mounts)
	}
	var action *fileop.ActionError
	if errors.As(err, &action) {
		out.Subject = &errdefs.Solve_File{File: &errdefs.FileAction{Index: int64(action.Index)}}
	}
	var input *solver.InputError
	if errors.As(err, &input) {
		out.InputIDs = s.register([]*snapshot.Snapshot{input.Input})
		out.Subject = &errdefs.Solve_Cache{Cache: &errdefs.ContentCache{Index: int64(input.Index)}}
	}
	err = unnamed{of}
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

// unnamed is the error of an operation without the name of the operation in its text.
type unnamed struct{ of *solver.Error }

func (e unnamed) Error() string { return e.of.Err.Error() }

// Unwrap returns the error with the name.
func (e unnamed) Unwrap() error { return e.of }

// register stores snapshots and returns their ids. The id of a nil snapshot is "".
func (s *shared) register(list []*snapshot.Snapshot) []string {
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

// registered returns the snapshot with an id, and reports whether it exists.
func (s *shared) registered(id string) (*snapshot.Snapshot, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	snapshot, ok := s.results[id]
	return snapshot, ok
}
