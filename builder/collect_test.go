package builder

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/builder/state"
)

// cacheKinds returns the kind of each entry in the state directory, such as a cache mount, and
// the total size of the entries in bytes.
func cacheKinds(t *testing.T, o Options) (kinds []string, bytes int64) {
	t.Helper()
	list, err := state.Entries(t.Context(), o.State, o.Now)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		kinds, bytes = append(kinds, e.Kind), bytes+e.Bytes
	}
	return kinds, bytes
}

// TestCollect checks that garbage collection after a build reduces the state directory to
// its limit, unless another build is running.
func TestCollect(t *testing.T) {
	o := options(t, testDockerfile)
	if err := os.WriteFile(filepath.Join(o.Context, "a"), bytes.Repeat([]byte("x"), 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	_, all := cacheKinds(t, o)
	o.GC.Keep = &state.DiskSpace{Bytes: 50_000}
	s, err := openLocal(&o, nil)
	if err != nil {
		t.Fatal(err)
	}
	release, err := s.Hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if _, n := cacheKinds(t, o); n < all {
		t.Errorf("during another build: %d of %d bytes are left, want all", n, all)
	}
	release()
	o.GC.Off = true
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if _, n := cacheKinds(t, o); n < all {
		t.Errorf("without garbage collection %d of %d bytes are left, want all", n, all)
	}
	o.GC.Off = false
	o.Outputs = []Output{{Type: "local", Dest: t.TempDir()}}
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(o.Outputs[0].Dest, "b")); err != nil || len(data) != 100_000 {
		t.Errorf("the build wrote %d bytes, %v, want 100000", len(data), err)
	}
	if kinds, n := cacheKinds(t, o); n > 50_000 {
		t.Errorf("%d bytes are left of %v, want at most 50000", n, kinds)
	}
	o.GC = state.GC{}
	if err := Run(t.Context(), o); err != nil {
		t.Error(err)
	}
}

// TestCollectByDefault checks that the default policy removes an unused cache mount from a
// large state directory after two days.
func TestCollectByDefault(t *testing.T) {
	o := options(t, testDockerfile)
	now := time.Now()
	o.Now = func() time.Time { return now }
	var log bytes.Buffer
	o.Log = &log
	build := func(later time.Duration) string {
		t.Helper()
		now = now.Add(later)
		if err := Run(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		kinds, _ := cacheKinds(t, o)
		return strings.Join(slices.Compact(kinds), " ")
	}
	if got := build(0); !strings.Contains(got, state.KindMount) {
		t.Fatalf("the state directory has %s, want a cache mount", got)
	}
	big := filepath.Join(o.State, "mounts", "other-0", "data", "big")
	if err := os.MkdirAll(filepath.Dir(big), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := allocate(big, 600e6); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.State, "mounts", "other-0", "id"), []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	build(time.Minute)
	if _, err := os.Stat(big); err != nil {
		t.Errorf("a minute later: %v, want the cache mount to stay", err)
	}
	build(24 * time.Hour)
	if _, err := os.Stat(big); err != nil {
		t.Errorf("a day later: %v, want the cache mount to stay", err)
	}
	build(25 * time.Hour)
	if _, err := os.Stat(big); err == nil {
		t.Error("two days later: the cache mount still exists")
	}
	if got := build(time.Hour); !strings.Contains(got, "regular") || log.Len() > 0 {
		t.Errorf("the state directory has %s and the log %q, want the results to stay", got, &log)
	}
}
