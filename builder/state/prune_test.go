package state_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"slipway/builder"
	"slipway/builder/state"
	"slipway/internal/testcontext"
	"slipway/solver/tree"
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
	release()
	if _, err := state.Prune(t.Context(), dir, time.Now, state.PruneOptions{}); err != nil {
		t.Error(err)
	}
}

// TestPruneDuringBuild checks that a prune with a limited wait removes only what running builds have
// not used, and that the next garbage collection removes the data of the results.
func TestPruneDuringBuild(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	clock := func(minutes int) func() time.Time {
		return func() time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	}
	dir := t.TempDir()
	build := func(minutes int, name string) {
		t.Helper()
		dockerfile := "FROM scratch\nCOPY base /\nRUN --mount=type=cache,id=" + name + ",target=/c echo " + name + " > /" + name + "; echo x > /c/x\n"
		o := builder.Options{Context: testcontext.New(t, dockerfile), State: dir, Runner: "portable", Now: clock(minutes)}
		if err := builder.Run(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	build(0, "old")
	build(1, "locked")
	d, err := state.Open(dir, clock(10))
	if err != nil {
		t.Fatal(err)
	}
	release, err := d.Hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	build(11, "new")
	entries, err := state.Entries(t.Context(), dir, clock(12))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name == "cache mount /locked" {
			lock := flock.New(filepath.Join(dir, "mounts", e.Key, "lock"))
			if err := lock.RLock(); err != nil {
				t.Fatal(err)
			}
			defer lock.Unlock()
		}
	}
	before := tree.DiskSize(t.Context(), filepath.Join(dir, "store"))
	removed, err := state.Prune(t.Context(), dir, clock(12), state.PruneOptions{Wait: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range removed {
		if !e.Used.Before(clock(10)()) || e.Kind == state.KindInternal {
			t.Errorf("removed %q of %v, used at %v, after the start of a running build", e.Name, e.Kind, e.Used)
		}
		names = append(names, e.Name)
	}
	left, err := state.Entries(t.Context(), dir, clock(12))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		if e.Used.Before(clock(10)()) && e.Name != "cache mount /locked" && e.Kind != state.KindInternal {
			t.Errorf("%q of %v, used at %v, remains", e.Name, e.Kind, e.Used)
		}
	}
	if !slices.Contains(names, "cache mount /old") || slices.Contains(names, "cache mount /locked") || len(names) < 3 {
		t.Errorf("removed %q, want results and only the cache mount that no process uses", names)
	}
	if size := tree.DiskSize(t.Context(), filepath.Join(dir, "store")); size != before {
		t.Errorf("the store has %d bytes, want %d until no build runs", size, before)
	}
	release()
	if err := (state.GC{}).Collect(t.Context(), dir, clock(13)); err != nil {
		t.Fatal(err)
	}
	if size := tree.DiskSize(t.Context(), filepath.Join(dir, "store")); size >= before {
		t.Errorf("after a garbage collection, the store has %d bytes, want less than %d", size, before)
	}
	if files, err := os.ReadDir(filepath.Join(dir, "running")); err != nil || len(files) != 0 {
		t.Errorf("running contains %v, %v, want no file", files, err)
	}
}
