package inprocess

import (
	"testing"

	"slipway/solver/runner"
)

// TestOpenFails checks that Open returns a nil container with an error, so that callers
// can compare it with nil.
func TestOpenFails(t *testing.T) {
	if c, err := (&Runner{}).Open(t.Context(), &runner.Sandbox{}); err == nil || c != nil {
		t.Errorf("a sandbox without a root: %v, %v, want an error alone", c, err)
	}
}
