package solver

import (
	"context"
	"sync"
)

// work tracks the goroutines of a job, including those whose callers have stopped
// waiting.
type work struct {
	ctx   context.Context // of the job
	group sync.WaitGroup
}

// future is a value that is computed once, on first use. The computation runs in the
// context of the job, because the context of the first caller may end earlier than the
// contexts of other callers. Safe for concurrent use.
type future[T any] struct {
	once sync.Once
	done chan struct{}
	val  T
	err  error
}

func newFuture[T any]() *future[T] { return &future[T]{done: make(chan struct{})} }

// start calls fn in a goroutine of the job, unless an earlier call did.
func (f *future[T]) start(w *work, fn func(context.Context) (T, error)) {
	f.once.Do(func() {
		w.group.Go(func() {
			defer close(f.done)
			f.val, f.err = fn(w.ctx)
		})
	})
}

// get returns the value. It calls fn if no earlier call did. If ctx ends first, it
// returns the cause of ctx.
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

// peek returns the value without waiting. It reports whether the value was computed
// without error.
func (f *future[T]) peek() (T, bool) {
	select {
	case <-f.done:
		return f.val, f.err == nil
	default:
		var zero T
		return zero, false
	}
}
