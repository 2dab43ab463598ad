package inprocess

import (
	"testing"

	"slipway/solver/runner"
)

// TestOpenFails: a container that does not open is nil, so that callers can ask.
func TestOpenFails(t *testing.T) {
	if c, err := (&Runner{}).Open(t.Context(), &runner.Sandbox{}); err == nil || c != nil {
		t.Errorf("a sandbox without a root: %v, %v, want an error alone", c, err)
	}
}
