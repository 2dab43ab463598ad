package gateway

import (
	"errors"
	"fmt"

	"github.com/moby/buildkit/solver/errdefs"

	"slipway/solver"
)

// solveError tells of an error as BuildKit's gateway does: with the operation
// and, if that ran a process, with names for what its mounts were before and
// when it failed. Containers can have them as mounts.
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
	return out.WrapError(err)
}

// register names snapshots; what is not there has no name.
func (s *shared) register(list []*solver.Snapshot) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.results == nil {
		s.results = map[string]*solver.Snapshot{}
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

// registered returns what a name stands for.
func (s *shared) registered(id string) (*solver.Snapshot, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	snapshot, ok := s.results[id]
	return snapshot, ok
}
