package inorder_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"slipway/internal/inorder"
)

// TestFirst checks that Do returns the error with the smallest index even if another call
// fails earlier, and that it cancels calls with a larger index.
func TestFirst(t *testing.T) {
	for range 100 {
		later, last := make(chan struct{}), make(chan struct{})
		var cancelled atomic.Bool
		err := inorder.Do(t.Context(), 5, 0, func(ctx context.Context, i int) error {
			switch i {
			case 1: // fail after the calls with a larger index
				<-later
				return errors.New("one")
			case 3:
				<-last // never starts, because call 1 failed
				defer close(later)
				return errors.New("three")
			case 4:
				close(last)
				<-ctx.Done()
				cancelled.Store(true)
				return ctx.Err()
			}
			return nil
		})
		if err == nil || err.Error() != "one" || !cancelled.Load() {
			t.Fatalf("error %v, canceled %t, want the error of call 1 and true", err, cancelled.Load())
		}
	}
}

func TestLimit(t *testing.T) {
	var now, most, done atomic.Int32
	err := inorder.Do(t.Context(), 1000, 3, func(context.Context, int) error {
		most.Store(max(most.Load(), now.Add(1)))
		now.Add(-1)
		done.Add(1)
		return nil
	})
	if err != nil || done.Load() != 1000 || most.Load() > 3 {
		t.Errorf("%d done, %d at a time, %v", done.Load(), most.Load(), err)
	}
	calls := 0
	err = inorder.Do(t.Context(), 1000, 1, func(_ context.Context, i int) error {
		calls++
		return fmt.Errorf("%d", i)
	})
	if err == nil || err.Error() != "0" || calls > 2 {
		t.Errorf("%d calls, error %v", calls, err)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := inorder.Do(ctx, 3, 0, func(ctx context.Context, _ int) error { return ctx.Err() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if err := inorder.Do(ctx, 0, 0, nil); err != nil {
		t.Errorf("Do without calls fails with %v", err)
	}
}
