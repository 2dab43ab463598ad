//go:build unix

package hostmount

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/tree"
)

// TestIrregularID replaces the file that contains a cache mount's id by a directory, a link or
// a FIFO. Using and resetting the cache mount must still work.
func TestIrregularID(t *testing.T) {
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h := &Mounts{Dir: t.TempDir(), Store: store, Now: time.Now}
	id := filepath.Join(h.Dir, h.CacheName("x", nil)+"-0", "id")
	for kind, create := range map[string]func() error{
		"directory":      func() error { return os.MkdirAll(filepath.Join(id, "y"), 0o700) },
		"dangling link":  func() error { return os.Symlink(filepath.Join(h.Dir, "outside"), id) },
		"link to itself": func() error { return os.Symlink(id, id) },
		"FIFO":           func() error { return syscall.Mkfifo(id, 0o600) },
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(id), 0o700), os.RemoveAll(id), create()); err != nil {
			t.Fatal(err)
		}
		if err := h.Reset([]string{"x"}); err != nil {
			t.Errorf("%s: reset: %v", kind, err)
		}
		if list, err := h.Caches(t.Context()); err != nil || len(list) != 1 || list[0].ID != "" {
			t.Errorf("%s: caches %v, %v, want one without id", kind, list, err)
		}
		_, release, err := h.Cache(t.Context(), "x", pb.CacheSharingOpt_SHARED, nil)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		release()
		if list, err := h.Caches(t.Context()); err != nil || len(list) != 1 || list[0].ID != "x" {
			t.Errorf("%s: caches %v, %v, want x", kind, list, err)
		}
	}
}
