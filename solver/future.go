package solver

import (
	"context"
	"sync"
)

// work is the goroutines of a job, which callers may have ceased to wait for.
type work struct {
	ctx   context.Context // of the job
	group sync.WaitGroup
}

// future is a value that is computed once, when it is first wanted. The work runs
// in the context of the job, as the context of the first caller may end earlier
// than those of others. It is safe for concurrent use.
type future[T any] struct {
	once sync.Once
	done chan struct{}
	val  T
	err  error
}

func newFuture[T any]() *future[T] { return &future[T]{done: make(chan struct{})} }

// start calls fn in the job, unless an earlier call did.
func (f *future[T]) start(w *work, fn func(context.Context) (T, error)) {
	f.once.Do(func() {
		w.group.Go(func() {
			defer close(f.done)
			f.val, f.err = fn(w.ctx)
		})
	})
}

// get returns the value, and calls fn if no earlier call did. It returns the
// cause of ctx if that ends first.
func (f *future[T]) get(ctx context.Context, w *work, fn func(context.Context) (T, error)) (T, error) {
	f.start(w, fn)
	select {
	case <-f.done:
		return f.val, f.err
	case <-ctx.Done():
		var zero T
		return zero, context.Cause(ctx)
	}
}

// peek returns the value without waiting for it, and reports whether it was computed without an error.
func (f *future[T]) peek() (T, bool) {
	select {
	case <-f.done:
		return f.val, f.err == nil
	default:
		var zero T
		return zero, false
	}
}
