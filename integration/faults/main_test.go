//go:build integration

package faults

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"slipway/integration/rig"
)

// builder is the rig that all tests share, because starting one takes seconds.
// Only TestMain sets it.
var builder *rig.Rig

func TestMain(m *testing.M) {
	rig.Main(m, func(r *rig.Rig) { builder = r })
}

// quiet is the maximum time after a build for its processes to exit.
const quiet = 30 * time.Second

// nothingRuns checks that soon the builder has no child processes: neither
// frontends nor steps.
func nothingRuns(t *testing.T) {
	t.Helper()
	var running []string
	if !eventually(t.Context(), quiet, func() bool {
		var err error
		if running, err = builder.Processes(); err != nil {
			t.Fatal(err)
		}
		return len(running) == 0
	}) {
		t.Errorf("%d processes still run: %q", len(running), running)
	}
}

// eventually waits until the condition holds, at most for limit, and reports
// whether it does.
func eventually(ctx context.Context, limit time.Duration, condition func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for !condition() {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(100 * time.Millisecond):
		}
	}
	return true
}

// within returns a context that ends the test's build after limit.
func within(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), limit, errTooLong)
	t.Cleanup(cancel)
	return ctx
}

const errTooLong = tooLong("the build does not end")

type tooLong string

func (e tooLong) Error() string { return string(e) }

// write writes a Dockerfile to a new directory.
func write(t *testing.T, dockerfile string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}
