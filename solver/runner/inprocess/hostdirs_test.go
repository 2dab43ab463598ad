package inprocess

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"slipway/solver/runner"
	"slipway/solver/tree"
)

// TestCloseEnds checks that Close gives up waiting for the lock of a cache mount when
// the context of the build ends.
func TestCloseEnds(t *testing.T) {
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := &Runner{Store: store, Now: time.Now, Exec: func(_ context.Context, f *Files, _ *runner.Process) (int, error) {
		f.Lock()
		defer f.Unlock()
		_, err := f.MkdirAll("cache/new", f.Meta(0o755))
		return 0, err
	}}
	dir := filepath.Join(t.TempDir(), "cache")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c, err := r.Open(ctx, &runner.Sandbox{Mounts: []runner.Mount{
		{Kind: runner.MountTree, Target: "/", Tree: tree.Empty()},
		{Kind: runner.MountDir, Target: "/cache", HostPath: dir},
	}})
	if err != nil {
		t.Fatal(err)
	}
	x, err := c.Start(&runner.Process{})
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Wait(); err != nil {
		t.Fatal(err)
	}
	other := flock.New(dir + ".lock")
	if err := other.Lock(); err != nil {
		t.Fatal(err)
	}
	defer other.Unlock() //nolint:errcheck // the file is removed
	closed := make(chan error, 1)
	go func() { closed <- c.Close() }()
	cancel()
	select {
	case err := <-closed:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Close returns %v, want %v", err, context.Canceled)
		}
	case <-time.After(time.Minute):
		t.Error("Close still waits for the cache mount")
	}
}
