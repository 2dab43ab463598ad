package frontend

import (
	"errors"
	"testing"
)

// TestLostWarnings: a client that takes no warnings gets its build all the same,
// and each warning is tried.
func TestLostWarnings(t *testing.T) {
	b := dockerfile("FROM x AS A\nCMD y\n", nil)
	b.warnErr = errors.New("no")
	if _, err := Build(t.Context(), b); err != nil {
		t.Error(err)
	}
	if b.warned != 2 {
		t.Errorf("%d warnings", b.warned)
	}
}

// TestFirstPlatformWarns: of several platforms the first one warns, and makes an
// error of it.
func TestFirstPlatformWarns(t *testing.T) {
	b := dockerfile("# check=error=true\nFROM x\nCMD y\n", map[string]string{"platform": "linux/amd64,linux/arm64"})
	const want = "lint violation found for rules: JSONArgsRecommended"
	if _, err := Build(t.Context(), b); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if b.warned != 1 {
		t.Errorf("%d warnings", b.warned)
	}
}
