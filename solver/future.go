package solver

import (
	"context"
	"sync"
)

// future is a value that is computed once, when it is first wanted. The work runs
// in the context of the build, as the context of the first caller may end earlier
// than those of others. It is safe for concurrent use.
type future[T any] struct {
	once sync.Once
	done chan struct{}
	val  T
	err  error
}

func newFuture[T any]() *future[T] { return &future[T]{done: make(chan struct{})} }

// start starts work in the build, unless an earlier call did.
func (f *future[T]) start(j *Job, work func(context.Context) (T, error)) {
	f.once.Do(func() {
		j.work.Go(func() {
			defer close(f.done)
			f.val, f.err = work(j.ctx)
		})
	})
}

// get returns the value, and starts work if no earlier call did. It returns the
// cause of ctx if that ends first.
func (f *future[T]) get(ctx context.Context, j *Job, work func(context.Context) (T, error)) (T, error) {
	f.start(j, work)
	select {
	case <-f.done:
		return f.val, f.err
	case <-ctx.Done():
		var zero T
		return zero, context.Cause(ctx)
	}
}

// known returns the value, and reports whether it was computed without an error.
func (f *future[T]) known() (T, bool) {
	select {
	case <-f.done:
		return f.val, f.err == nil
	default:
		var zero T
		return zero, false
	}
}
