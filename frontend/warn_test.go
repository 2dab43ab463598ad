package frontend

import (
	"context"
	"errors"
	"testing"

	"slipway/internal/fakegateway"
)

// TestLostWarnings checks that a build succeeds if the client rejects warnings,
// and that every warning is sent.
func TestLostWarnings(t *testing.T) {
	b := fakegateway.New("FROM x AS A\nCMD y\n", nil)
	b.Before = func(_ context.Context, call string) error {
		if call == "Warn" {
			return errors.New("no")
		}
		return nil
	}
	if _, err := Build(t.Context(), b); err != nil {
		t.Error(err)
	}
	if n := b.Warnings(); n != 2 {
		t.Errorf("%d warnings", n)
	}
}

// TestFirstPlatformWarns checks that only the first of several platforms causes
// warnings and the resulting error.
func TestFirstPlatformWarns(t *testing.T) {
	b := fakegateway.New("# check=error=true\nFROM x\nCMD y\n", map[string]string{"platform": "linux/amd64,linux/arm64"})
	const want = "lint violation found for rules: JSONArgsRecommended"
	if _, err := Build(t.Context(), b); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if n := b.Warnings(); n != 1 {
		t.Errorf("%d warnings", n)
	}
}
