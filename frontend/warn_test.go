package frontend

import (
	"context"
	"errors"
	"testing"

	"slipway/internal/fakegateway"
)

// TestLostWarnings checks that the frontend sends every warning, and that the build succeeds
// even if the client returns an error for each warning.
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

// TestWarningsOncePerBuild checks that a build for several platforms sends each warning once.
// If the Dockerfile contains check=error=true, a warning must fail the build.
func TestWarningsOncePerBuild(t *testing.T) {
	b := fakegateway.New("# check=error=true\nFROM x\nCMD y\n", map[string]string{"platform": "linux/amd64,linux/arm64"})
	const want = "lint violation found for rules: JSONArgsRecommended"
	if _, err := Build(t.Context(), b); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if n := b.Warnings(); n != 1 {
		t.Errorf("%d warnings", n)
	}
}
