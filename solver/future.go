package solver

import (
	"context"
	"sync"
)

// work tracks the goroutines of a job. A goroutine may outlive the call that started it,
// if the context of the caller ends first.
type work struct {
	ctx   context.Context // context of the job
	group sync.WaitGroup
}

// future holds a value that is computed once, on first use. The computation runs in the
// context of the job. If it ran in the context of the first caller, all callers would
// fail when this context ends. Safe for concurrent use.
type future[T any] struct {
	once sync.Once
	done chan struct{}
	val  T
	err  error
}

func newFuture[T any]() *future[T] { return &future[T]{done: make(chan struct{})} }

// start begins to compute the value with fn in a goroutine of the job. Only the first call
// has an effect.
func (f *future[T]) start(w *work, fn func(context.Context) (T, error)) {
	f.once.Do(func() {
		w.group.Go(func() {
			defer close(f.done)
			f.val, f.err = fn(w.ctx)
		})
	})
}

// get waits for the value and returns it. The first call of get or start computes the
// value with fn. If ctx ends first, get returns context.Cause(ctx).
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

// peek returns the value and true if the value has been computed without an error. It
// never waits.
func (f *future[T]) peek() (T, bool) {
	select {
	case <-f.done:
		return f.val, f.err == nil
	default:
		var zero T
		return zero, false
	}
}
