// Package inorder does several things at a time and fails as if they had been
// done one after the other.
//
// Not here: what is done.
package inorder

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Do calls f for each i below n, limit of them at a time; 0 is no limit. It
// returns the error of the smallest i that failed: a failure cancels the
// context of what comes behind it only, so that the same failures always give
// the same error.
func Do(ctx context.Context, n, limit int, f func(ctx context.Context, i int) error) error {
	if n == 1 {
		return f(ctx, 0) // most builds have one base: no goroutine for that
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
	_ = g.Wait() // errors are the run's
	return r.err
}

// run is what is known of the calls.
type run struct {
	mu     sync.Mutex
	first  int // the smallest that failed; without any the number of calls
	err    error
	cancel []context.CancelFunc
}

// start returns the context of a call; false if one before it has failed.
func (r *run) start(ctx context.Context, i int) (context.Context, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i > r.first {
		return nil, false
	}
	ctx, r.cancel[i] = context.WithCancel(ctx)
	return ctx, true
}

// fail notes a failure and cancels what comes behind it.
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
