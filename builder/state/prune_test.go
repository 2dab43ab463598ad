package state_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/builder"
	"slipway/builder/state"
	"slipway/internal/testcontext"
)

// TestBadMounts checks that a prune lists and removes a cache mount with paths longer than
// PATH_MAX. If the prune cannot remove one cache mount, it must still remove the others.
func TestBadMounts(t *testing.T) {
	const dockerfile = "FROM scratch\nCOPY base /\nCOPY a /\nRUN --mount=type=cache,target=/c cat a > /b; echo x > /c/x\n"
	o := builder.Options{Context: testcontext.New(t, dockerfile), State: t.TempDir(), Runner: "portable", Now: time.Now}
	if err := builder.Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	mounts, err := os.OpenRoot(filepath.Join(o.State, "mounts"))
	if err != nil {
		t.Fatal(err)
	}
	defer mounts.Close()
	// With the suffix for removal, this name is longer than NAME_MAX.
	stuck := strings.Repeat("s", 253)
	if err := errors.Join(mounts.MkdirAll("deep-0/data", 0o700), mounts.MkdirAll(stuck+"/data", 0o700)); err != nil {
		t.Fatal(err)
	}
	deep, err := mounts.OpenRoot("deep-0/data")
	for range 30 {
		if err != nil {
			t.Fatal(err)
		}
		name := strings.Repeat("a", 200)
		if err := deep.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
		above := deep
		deep, err = above.OpenRoot(name)
		above.Close()
	}
	if err := errors.Join(err, deep.WriteFile("f", []byte("12345"), 0o600), deep.Close(), mounts.WriteFile(stuck+"/id", []byte("stuck"), 0o600)); err != nil {
		t.Fatal(err)
	}
	bytes := func() map[string]int64 {
		t.Helper()
		list, err := state.Entries(t.Context(), o.State, o.Now)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int64{}
		for _, e := range list {
			got[e.Key] += e.Bytes
		}
		return got
	}
	if got := bytes(); got["deep-0"] != 5 || got[stuck] != 5 {
		t.Errorf("the cache mounts have %v bytes, want 5 each", got)
	}
	removed, err := state.Prune(t.Context(), o.State, o.Now, state.PruneOptions{})
	if err == nil || !strings.Contains(err.Error(), "file name too long") || strings.Contains(err.Error(), "aaa") {
		t.Errorf("error %v, want only that %s is too long", err, stuck)
	}
	if left := bytes(); len(left) != 1 || left[stuck] != 5 {
		t.Errorf("prune removed %v and left %v, want all removed but one cache mount", removed, left)
	}
	if err := mounts.RemoveAll(stuck); err != nil {
		t.Error(err)
	}
}

// TestPruneWaits checks that a prune waits while a build holds the state directory.
func TestPruneWaits(t *testing.T) {
	dir := t.TempDir()
	s, err := state.Open(dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	release, err := s.Hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var told strings.Builder
	if _, err := state.Prune(ctx, dir, time.Now, state.PruneOptions{Log: &told}); !errors.Is(err, context.DeadlineExceeded) || told.String() != "waiting for builds that use "+dir+"\n" {
		t.Errorf("prune during a build: error %v, logged %q", err, &told)
	}
	if _, err := state.Prune(t.Context(), dir, time.Now, state.PruneOptions{Wait: 100 * time.Millisecond}); !errors.Is(err, state.ErrBusy) {
		t.Errorf("prune with a limited wait during a build: error %v, want %v", err, state.ErrBusy)
	}
	release()
	if _, err := state.Prune(t.Context(), dir, time.Now, state.PruneOptions{}); err != nil {
		t.Error(err)
	}
}
