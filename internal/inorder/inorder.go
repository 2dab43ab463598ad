// Package inorder runs functions concurrently and returns the error that a
// sequential run would return.
package inorder

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Do calls f for each i below n, at most limit calls at a time; if limit is 0,
// there is no limit. It returns the error of the smallest i that failed. A
// failure cancels only the contexts of calls with a larger i, so the returned
// error is deterministic.
func Do(ctx context.Context, n, limit int, f func(ctx context.Context, i int) error) error {
	if n == 1 {
		return f(ctx, 0) // most builds have one base: avoid the goroutine
	}
	if limit <= 0 {
		limit = -1
	}
	r := &run{first: n, cancel: make([]context.CancelFunc, n)}
	defer r.fail(-1, nil)
	var g errgroup.Group
	g.SetLimit(limit)
	for i := range n {
		ctx, ok := r.start(ctx, i)
		if !ok {
			break
		}
		g.Go(func() error {
			if err := f(ctx, i); err != nil {
				r.fail(i, err)
			}
			return nil
		})
	}
	_ = g.Wait() // r.err has the error
	return r.err
}

// run is the state of the calls.
type run struct {
	mu     sync.Mutex
	first  int // the smallest index that failed, or the number of calls
	err    error
	cancel []context.CancelFunc
}

// start returns the context of a call. It returns false if a call with a
// smaller index has failed.
func (r *run) start(ctx context.Context, i int) (context.Context, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i > r.first {
		return nil, false
	}
	ctx, r.cancel[i] = context.WithCancel(ctx)
	return ctx, true
}

// fail records a failure and cancels the calls with a larger index.
func (r *run) fail(i int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i >= r.first {
		return
	}
	for _, cancel := range r.cancel[i+1:] {
		if cancel != nil {
			cancel()
		}
	}
	if i >= 0 {
		r.first, r.err = i, err
	}
}
