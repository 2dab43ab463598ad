// Package inorder runs functions concurrently and returns the error that running them in order
// would return.
package inorder

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Do calls f(ctx, 0) to f(ctx, n-1) concurrently. The parameter limit is the maximum number of
// concurrent calls. If limit is 0, all calls run concurrently.
//
// Do returns the error of the failed call with the smallest i. A failure cancels only the
// contexts of calls with a larger i, so the returned error does not depend on timing.
func Do(ctx context.Context, n, limit int, f func(ctx context.Context, i int) error) error {
	if n == 1 {
		return f(ctx, 0) // most builds have one base image, so avoid the goroutine
	}
	if limit <= 0 {
		limit = -1
	}
	r := &run{firstFailed: n, cancel: make([]context.CancelFunc, n)}
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
	_ = g.Wait() // r.err contains the error to return
	return r.err
}

// run is the state of one call of Do, which all concurrent calls of f share.
type run struct {
	mu          sync.Mutex
	firstFailed int // smallest index whose call failed; the number of calls if no call has failed
	err         error
	cancel      []context.CancelFunc
}

// start returns the context for f(ctx, i), and whether to call f. It returns false if a call of
// f with a smaller index has failed.
func (r *run) start(ctx context.Context, i int) (context.Context, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i > r.firstFailed {
		return nil, false
	}
	ctx, r.cancel[i] = context.WithCancel(ctx)
	return ctx, true
}

// fail records that f(ctx, i) failed, and cancels the calls of f with a larger index.
func (r *run) fail(i int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i >= r.firstFailed {
		return
	}
	for _, cancel := range r.cancel[i+1:] {
		if cancel != nil {
			cancel()
		}
	}
	if i >= 0 {
		r.firstFailed, r.err = i, err
	}
}
