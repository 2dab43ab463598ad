//go:build integration

package faults

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"slipway/integration/poll"
	"slipway/integration/rig"
)

// builder is the BuildKit daemon and registry that all tests share, because starting them takes
// seconds. Only TestMain sets it.
var builder *rig.Rig

func TestMain(m *testing.M) {
	rig.Main(m, func(r *rig.Rig) { builder = r })
}

// exitTimeout is the maximum time between the end of a build and the exit of its processes.
const exitTimeout = 30 * time.Second

// wantNoProcess checks that all child processes of the builder, both frontends and steps, exit
// within exitTimeout.
func wantNoProcess(t *testing.T) {
	t.Helper()
	var running []string
	if !poll.Until(t.Context(), exitTimeout, func() bool {
		var err error
		if running, err = builder.Processes(); err != nil {
			t.Fatal(err)
		}
		return len(running) == 0
	}) {
		t.Errorf("%d processes still run: %q", len(running), running)
	}
}

// withTimeout returns a context that is canceled when the test ends. If the time limit passes
// before the test ends, the context is canceled with the cause errTooLong.
func withTimeout(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), limit, errTooLong)
	t.Cleanup(cancel)
	return ctx
}

const errTooLong = tooLong("the build does not end")

type tooLong string

func (e tooLong) Error() string { return string(e) }

// writeDockerfile writes a file named Dockerfile to a new directory and returns the directory.
func writeDockerfile(t *testing.T, dockerfile string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}
