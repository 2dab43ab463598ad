package hostmount

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// TestAgents checks that the id "" means the default agent.
func TestAgents(t *testing.T) {
	h := &Mounts{Agents: map[string]string{"default": "/a", "git": "/b"}}
	for id, want := range map[string]string{"": "/a", "default": "/a", "git": "/b", "other": ""} {
		got, ok, err := h.Agent(t.Context(), id)
		if got != want || ok != (want != "") || err != nil {
			t.Errorf("agent %q: %q, %t, %v; want %q", id, got, ok, err, want)
		}
	}
}

// TestCacheSharing checks whether a second process shares a cache mount with a first
// one, waits for it or gets another directory, depending on the sharing modes of both
// processes. The processes belong to different builds.
func TestCacheSharing(t *testing.T) {
	const shared, private, locked = pb.CacheSharingOpt_SHARED, pb.CacheSharingOpt_PRIVATE, pb.CacheSharingOpt_LOCKED
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		first, second pb.CacheSharingOpt
		want          string
	}{
		{shared, shared, "same"},
		{private, private, "other"},
		{locked, locked, "waits"},
		{shared, locked, "waits"},
		{shared, private, "other"},
		{locked, shared, "waits"},
		{private, shared, "waits"},
	} {
		dir := t.TempDir()
		cache := func(ctx context.Context, sharing pb.CacheSharingOpt) (string, func(), error) {
			h := &Mounts{Dir: dir, Store: store, Now: time.Now} // each is a separate build
			return h.Cache(ctx, "id", sharing, nil)
		}
		first, release, err := cache(t.Context(), tc.first)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*lockRetry)
		second, releaseSecond, err := cache(ctx, tc.second)
		cancel()
		got := "same"
		switch {
		case err != nil && ctx.Err() != nil:
			got = "waits"
		case err != nil:
			t.Fatal(err)
		case first != second:
			got = "other"
		}
		if got != tc.want {
			t.Errorf("%v while %v is used: %s, want %s", tc.second, tc.first, got, tc.want)
		}
		if err := os.WriteFile(filepath.Join(first, "file"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		release()
		if releaseSecond != nil {
			releaseSecond()
		}
		// A later process must find the files of earlier processes.
		later, release, err := cache(t.Context(), tc.second)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(later, "file")); err != nil {
			t.Errorf("%v after %v: %v", tc.second, tc.first, err)
		}
		release()
	}
}

// TestCacheOfResult checks cache mounts whose initial files are the result of another step.
// Two mounts share a directory only if they start from the same result. Another result with
// the same files is not enough.
func TestCacheOfResult(t *testing.T) {
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h := &Mounts{Dir: t.TempDir(), Store: store, Now: time.Now}
	dir, err := tree.NewDir(tree.Meta{Mode: 0o755}, []tree.Entry{{Name: "value", Node: tree.NewSymlink(tree.Meta{Mode: 0o777}, "x")}})
	if err != nil {
		t.Fatal(err)
	}
	result := snapshot.New(dir, nil)
	use := func(from *snapshot.Snapshot) string {
		t.Helper()
		dir, release, err := h.Cache(t.Context(), "id", pb.CacheSharingOpt_SHARED, from)
		if err != nil {
			t.Fatal(err)
		}
		release()
		return dir
	}
	first := use(result.WithID("first"))
	if _, err := os.Lstat(filepath.Join(first, "value")); err != nil {
		t.Errorf("the cache mount does not start as a copy of the result: %v", err)
	}
	if again := use(result.WithID("first")); again != first {
		t.Errorf("the same result has the directory %s, want %s", again, first)
	}
	if other := use(result.WithID("other")); other == first {
		t.Error("another result with the same files has the same directory")
	}
	if empty := use(nil); empty == first {
		t.Error("a cache mount without a result has the same directory")
	}
}

// TestCacheReset checks that processes get an empty cache mount after a reset. A directory
// in use must not be removed, and cache mounts with other ids must keep their files.
func TestCacheReset(t *testing.T) {
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h := &Mounts{Dir: filepath.Join(t.TempDir(), "caches"), Store: store, Now: time.Now}
	if err := h.Reset([]string{"id"}); err != nil {
		t.Errorf("reset without cache mounts: %v", err)
	}
	use := func(id string) (string, func()) {
		t.Helper()
		dir, release, err := h.Cache(t.Context(), id, pb.CacheSharingOpt_SHARED, nil)
		if err != nil {
			t.Fatal(err)
		}
		return dir, release
	}
	entries := func(dir string) int {
		t.Helper()
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	for _, used := range []bool{false, true} {
		for _, id := range []string{"id", "other"} {
			dir, release := use(id)
			if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if used {
				defer release()
			} else {
				release()
			}
		}
		before := entries(h.Dir)
		if err := h.Reset([]string{"id"}); err != nil {
			t.Fatal(err)
		}
		if removed := before - entries(h.Dir); removed != 1 && !used || removed != 0 && used {
			t.Errorf("in use %v: %d directories were removed", used, removed)
		}
		dir, release := use("id")
		if n := entries(dir); n != 0 {
			t.Errorf("in use %v: %d files in the cache mount after its reset, want none", used, n)
		}
		release()
		if dir, release = use("other"); entries(dir) != 1 {
			t.Errorf("in use %v: the other cache mount has %d files, want 1", used, entries(dir))
		}
		release()
	}
}
