// Package singleflight runs a function once for all concurrent callers that
// need its result, and memoizes the result.
//
// In golang.org/x/sync/singleflight and BuildKit's flightcontrol, the function
// runs in a goroutine that may outlive its callers. Here it runs in the
// goroutine of the first caller, so that no work continues after a build has
// returned.
package singleflight

import (
	"context"
	"sync"
)

// Group memoizes the results of functions by key. The zero value is an empty
// Group. Safe for concurrent use.
type Group[K comparable, V any] struct {
	// KeepErrors memoizes errors, too. If it is false, an error is returned
	// only to the callers that are waiting for it, and the next caller runs its
	// function.
	KeepErrors bool

	mu    sync.Mutex
	calls map[K]*call[V]
}

// call is a function call that is running or has returned.
type call[V any] struct {
	done        chan struct{} // closed when the function has returned
	value       V
	err         error
	interrupted bool // the context of its caller ended, or the function panicked
}

// Do returns the memoized result for key, waits for a running call, or calls f.
// It stops waiting when ctx ends. If the context of the caller that runs f
// ends, another waiting caller runs its own function instead.
func (g *Group[K, V]) Do(ctx context.Context, key K, f func(context.Context) (V, error)) (V, error) {
	for {
		c, found := g.call(key)
		if !found {
			return g.run(ctx, key, c, f)
		}
		select {
		case <-c.done:
			if !c.interrupted {
				return c.value, c.err
			}
		case <-ctx.Done():
			var none V
			return none, context.Cause(ctx)
		}
	}
}

// call returns the call for a key. If found is false, the caller must run it.
func (g *Group[K, V]) call(key K) (c *call[V], found bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c, found = g.calls[key]; found {
		return c, true
	}
	if g.calls == nil {
		g.calls = map[K]*call[V]{}
	}
	c = &call[V]{done: make(chan struct{}), interrupted: true}
	g.calls[key] = c
	return c, false
}

// run calls f and passes its result to the waiting callers.
func (g *Group[K, V]) run(ctx context.Context, key K, c *call[V], f func(context.Context) (V, error)) (V, error) {
	defer close(c.done)
	defer func() {
		if c.interrupted || c.err != nil && !g.KeepErrors {
			g.mu.Lock()
			delete(g.calls, key)
			g.mu.Unlock()
		}
	}()
	c.value, c.err = f(ctx)
	c.interrupted = c.err != nil && ctx.Err() != nil
	return c.value, c.err
}
