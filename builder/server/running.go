package server

import (
	"context"
	"sync"
	"time"

	"github.com/moby/buildkit/solver/errdefs"
)

// buildWait is how long a request waits for the build that it names. Clients send such requests
// concurrently with the request that starts the build.
const buildWait = 3 * time.Second

// running contains values of running builds, by the reference of the build. Safe for concurrent
// use.
type running[T any] struct {
	mu      sync.Mutex
	values  map[string]T
	changed chan struct{} // closed when a value is added
}

func newRunning[T any]() *running[T] {
	return &running[T]{values: map[string]T{}, changed: make(chan struct{})}
}

// add adds a value. It reports whether the reference was unused.
func (r *running[T]) add(ref string, v T) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.values[ref]; ok {
		return false
	}
	r.values[ref] = v
	close(r.changed)
	r.changed = make(chan struct{})
	return true
}

// remove removes the value of a build.
func (r *running[T]) remove(ref string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.values, ref)
}

// get returns the value of a build. It waits for a short time until the build has started. If the
// reference is unknown, it returns an error.
func (r *running[T]) get(ctx context.Context, ref string) (T, error) {
	return r.await(ctx, ref, func() (T, bool) { return r.find(ref) })
}

// await calls find until it returns a value: at once, and after each start of a build. It waits for
// a short time. If there is no value, it returns the error for an unknown reference.
func (r *running[T]) await(ctx context.Context, ref string, find func() (T, bool)) (T, error) {
	late := time.NewTimer(buildWait)
	defer late.Stop()
	for {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		v, ok := find()
		if ok {
			return v, nil
		}
		select {
		case <-changed:
		case <-late.C:
			return v, errdefs.NewUnknownJobError(ref)
		case <-ctx.Done():
			return v, context.Cause(ctx)
		}
	}
}

// find returns the value of a build, and reports whether the build is running.
func (r *running[T]) find(ref string) (T, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.values[ref]
	return v, ok
}
