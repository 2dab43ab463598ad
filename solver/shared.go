package solver

import (
	"context"
	"sync"

	"github.com/opencontainers/go-digest"
)

// Shared lets concurrent jobs with the same cache run equal operations once: while one job runs
// an operation, other jobs that need its outputs wait, and then find the outputs in the cache.
// If the operation fails or its job is canceled, another job runs it. The zero value is ready to
// use. Safe for concurrent use.
type Shared struct {
	mu      sync.Mutex
	running map[digest.Digest]chan struct{} // by cache key; closed when the operation ends
}

// start registers that the caller runs the operation with the given cache key, until it calls
// end. If another job runs this operation, start waits for it first. In this case, the result
// waited is true, and the cache may have the outputs. If s is nil, start does nothing.
func (s *Shared) start(ctx context.Context, key digest.Digest) (end func(), waited bool, err error) {
	if s == nil {
		return func() {}, false, nil
	}
	for {
		s.mu.Lock()
		other, ok := s.running[key]
		if !ok {
			break
		}
		s.mu.Unlock()
		waited = true
		select {
		case <-other:
		case <-ctx.Done():
			return nil, waited, context.Cause(ctx)
		}
	}
	defer s.mu.Unlock()
	if s.running == nil {
		s.running = map[digest.Digest]chan struct{}{}
	}
	done := make(chan struct{})
	s.running[key] = done
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.running, key)
		close(done)
	}, waited, nil
}
