package server

import (
	"context"
	"sync"
	"time"

	"github.com/moby/buildkit/solver/errdefs"
)

// buildWait is how long a request waits for the build that it names. Clients send such requests
// concurrently with the request that starts the build, and a busy machine handles them late.
const buildWait = 15 * time.Second

// running contains one value for each running build, by the reference of the build. Safe for
// concurrent use.
type running[T any] struct {
	wait time.Duration // how long requests wait for a build

	mu      sync.Mutex
	values  map[string]T
	changed chan struct{} // closed when a value is added
}

func newRunning[T any]() *running[T] {
	return &running[T]{wait: buildWait, values: map[string]T{}, changed: make(chan struct{})}
}

// add adds the value of a build. If the reference is already in use, it returns false and adds
// nothing.
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

// get returns the value of the build with the given reference. Because the build may start soon,
// get waits for it for a short time. If the reference remains unknown, get returns an error.
func (r *running[T]) get(ctx context.Context, ref string) (T, error) {
	return r.await(ctx, ref, func() (T, bool) { return r.find(ref) })
}

// await calls find until find returns a value: at once, and after each start of a build. If find
// returns no value within a short time, await returns the error for an unknown reference.
func (r *running[T]) await(ctx context.Context, ref string, find func() (T, bool)) (T, error) {
	late := time.NewTimer(r.wait)
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
