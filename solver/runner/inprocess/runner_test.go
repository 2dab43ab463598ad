package inprocess

import (
	"testing"

	"slipway/solver/runner"
)

// TestOpenFails checks that Open returns a nil interface together with an error, not an
// interface that holds a nil pointer.
func TestOpenFails(t *testing.T) {
	if c, err := (&Runner{}).Open(t.Context(), &runner.Sandbox{}); err == nil || c != nil {
		t.Errorf("a sandbox without a root: container %v, error %v, want nil and an error", c, err)
	}
}
