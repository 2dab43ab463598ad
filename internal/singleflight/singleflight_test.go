package singleflight

import (
	"context"
	"errors"
	"testing"
)

var errWork = errors.New("the work failed")

// result contains the return values of Do.
type result struct {
	value int
	err   error
}

// startDo calls Do with f in a goroutine. It returns after f has started.
func startDo(ctx context.Context, g *Group[string, int], f func(context.Context) (int, error)) <-chan result {
	begun, ended := make(chan struct{}), make(chan result, 1)
	go func() {
		v, err := g.Do(ctx, "key", func(ctx context.Context) (int, error) {
			close(begun)
			return f(ctx)
		})
		ended <- result{v, err}
	}()
	<-begun
	return ended
}

func untilDone(ctx context.Context) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

func number(n int, err error) func(context.Context) (int, error) {
	return func(context.Context) (int, error) { return n, err }
}

// TestWaiterEnds checks that a waiting caller returns when its own context ends, while the
// function still runs.
func TestWaiterEnds(t *testing.T) {
	var g Group[string, int]
	release := make(chan struct{})
	first := startDo(t.Context(), &g, func(context.Context) (int, error) { <-release; return 1, nil })
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errWork)
	if v, err := g.Do(ctx, "key", number(2, nil)); !errors.Is(err, errWork) {
		t.Errorf("the waiter got %d, %v, want the cause of its context", v, err)
	}
	close(release)
	if got := <-first; got != (result{1, nil}) {
		t.Errorf("the first caller got %v, want 1", got)
	}
	if v, err := g.Do(t.Context(), "key", number(3, nil)); v != 1 || err != nil {
		t.Errorf("a later caller got %d, %v, want the memoized 1", v, err)
	}
}

// TestFirstCallerEnds checks that a waiting caller runs its own function when the context of
// the running caller ends.
func TestFirstCallerEnds(t *testing.T) {
	for _, keep := range []bool{false, true} {
		g := Group[string, int]{KeepErrors: keep}
		ctx, cancel := context.WithCancel(t.Context())
		first := startDo(ctx, &g, untilDone)
		waiter := make(chan result, 1)
		go func() {
			v, err := g.Do(t.Context(), "key", number(2, nil))
			waiter <- result{v, err}
		}()
		cancel()
		if got := <-first; !errors.Is(got.err, context.Canceled) {
			t.Errorf("KeepErrors %t: the canceled caller got %v", keep, got)
		}
		if got := <-waiter; got != (result{2, nil}) {
			t.Errorf("KeepErrors %t: the waiter got %v, want its own 2", keep, got)
		}
	}
}

// TestErrors checks that a Group memoizes errors only with KeepErrors.
func TestErrors(t *testing.T) {
	for keep, want := range map[bool]result{false: {2, nil}, true: {1, errWork}} {
		g := Group[string, int]{KeepErrors: keep}
		if v, err := g.Do(t.Context(), "key", number(1, errWork)); v != 1 || !errors.Is(err, errWork) {
			t.Errorf("KeepErrors %t: the first call returns %d, %v", keep, v, err)
		}
		v, err := g.Do(t.Context(), "key", number(2, nil))
		if got := (result{v, err}); got != want {
			t.Errorf("KeepErrors %t: the second call returns %v, want %v", keep, got, want)
		}
		if v, err := g.Do(t.Context(), "other", number(3, nil)); v != 3 || err != nil {
			t.Errorf("KeepErrors %t: another key returns %d, %v", keep, v, err)
		}
	}
}

// TestPanic checks that no caller waits forever if the function panics.
func TestPanic(t *testing.T) {
	var g Group[string, int]
	func() {
		defer func() { _ = recover() }()
		_, _ = g.Do(t.Context(), "key", func(context.Context) (int, error) { panic("work") })
	}()
	if v, err := g.Do(t.Context(), "key", number(2, nil)); v != 2 || err != nil {
		t.Errorf("after a panic: %d, %v, want 2", v, err)
	}
}
