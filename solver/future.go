package solver

import (
	"context"
	"sync"
)

// future is a value that is worked out once, when it is first wanted, for all
// who want it. The work goes on in the context of the build: that of one who
// waits may end before.
type future[T any] struct {
	once sync.Once
	done chan struct{}
	val  T
	err  error
}

func newFuture[T any]() *future[T] { return &future[T]{done: make(chan struct{})} }

// get returns the value. The first call starts work in build.
func (f *future[T]) get(ctx context.Context, b *Build, work func(context.Context) (T, error)) (T, error) {
	f.once.Do(func() {
		b.work.Go(func() {
			defer close(f.done)
			f.val, f.err = work(b.ctx)
		})
	})
	select {
	case <-f.done:
		return f.val, f.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// finished tells whether the value is there.
func (f *future[T]) finished() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}
