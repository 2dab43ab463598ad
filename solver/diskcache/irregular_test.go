//go:build unix

package diskcache

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"

	"slipway/solver"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// TestIrregularRecords checks that a record that is not a regular file is a cache miss, and that
// Put replaces it.
func TestIrregularRecords(t *testing.T) {
	c, key := newCache(t), digest.FromString("key")
	out := solver.CacheEntry{Outputs: []*snapshot.Snapshot{snapshot.New(tree.Empty(), nil)}}
	put := func() {
		t.Helper()
		if err := c.Put(t.Context(), key, solver.Origin{Name: "x"}, out); err != nil {
			t.Fatal(err)
		}
	}
	put()
	file := c.file(key)
	for kind, create := range map[string]func() error{
		"directory":      func() error { return os.Mkdir(file, 0o700) },
		"link to itself": func() error { return os.Symlink(file, file) },
		"dangling link":  func() error { return os.Symlink("nothing", file) },
		"FIFO":           func() error { return syscall.Mkfifo(file, 0o600) },
		"socket":         func() error { return syscall.Mknod(file, syscall.S_IFSOCK|0o600, 0) },
	} {
		if err := errors.Join(os.Remove(file), create()); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := c.Get(t.Context(), key); ok || err != nil {
			t.Errorf("%s: found %t, error %v, want a miss", kind, ok, err)
		}
		put()
		if _, ok, err := c.Get(t.Context(), key); !ok || err != nil {
			t.Errorf("%s: after Put: found %t, error %v", kind, ok, err)
		}
	}
}
