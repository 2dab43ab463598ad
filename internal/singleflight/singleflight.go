// Package singleflight runs a function once for all concurrent callers that need its result,
// and memoizes the result.
//
// In golang.org/x/sync/singleflight and BuildKit's flightcontrol, the function runs in a
// goroutine that may outlive its callers. In this package, it runs in the goroutine of the
// first caller. No work therefore continues after a build has returned.
package singleflight

import (
	"context"
	"sync"
)

// Group memoizes results by key. The zero value is an empty Group. Safe for concurrent use.
type Group[K comparable, V any] struct {
	// KeepErrors makes the Group memoize errors, too. If it is false, only callers that
	// currently wait for the function get its error, and the next caller runs its own function.
	KeepErrors bool

	mu    sync.Mutex
	calls map[K]*call[V]
}

// call is a call of a function that a caller passed to Do, with the results of the function.
// The function is running until done is closed.
type call[V any] struct {
	done        chan struct{} // closed when the function has returned
	value       V
	err         error
	interrupted bool // set if the function panicked or its caller's context ended
}

// Do returns the memoized result for key. If no result is memoized, it waits for the running
// call for key or, if no call is running, calls f.
//
// Do stops waiting when ctx ends. If the running call ends because of its own caller's
// context, another waiting caller runs the function that it passed to Do.
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

// call returns the running or completed call for key, and true. If no such call exists, it
// registers a new call and returns it with false. The caller must then run the function.
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

// run calls f for the new call c and returns its result. It also passes the result to all
// callers that wait for c.
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
