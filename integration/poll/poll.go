// Package poll waits for conditions that a test must poll because no event announces them, such
// as the exit of a process that the test did not start.
package poll

import (
	"context"
	"time"
)

// Until calls the function condition repeatedly until it returns true or the time limit has
// passed. The result is false if the condition did not become true in time, or if ctx was done
// first.
func Until(ctx context.Context, limit time.Duration, condition func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for !condition() {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	return true
}
