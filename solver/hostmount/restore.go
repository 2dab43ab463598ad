package hostmount

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"slipway/solver/tree"
)

// startFresh makes later cache mounts with the given ids start without files from an imported cache.
func (h *Mounts) startFresh(ids []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fresh == nil {
		h.fresh = map[string]bool{}
	}
	for _, id := range ids {
		h.fresh[id] = true
	}
}

// isFresh reports whether startFresh was called for an id.
func (h *Mounts) isFresh(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fresh[id]
}

// restore creates the directory data of a cache mount with its files from an imported cache. If no
// cache has the cache mount, or if [Mounts.Reset] has discarded it, restore does nothing.
//
// Processes may share the cache mount. A lock lets one of them restore it while the others wait.
func (h *Mounts) restore(ctx context.Context, data, id, name string) (err error) {
	if h.Restore == nil || h.isFresh(id) {
		return nil
	}
	lock := flock.New(filepath.Join(filepath.Dir(data), "fill"))
	if _, err := lock.TryLockContext(ctx, lockRetry); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if isDir(data) {
		return nil
	}
	tmp, err := NewTemp(h.Temp)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tmp.Remove()) }()
	root, err := h.Restore(ctx, name, tmp.Store)
	if err != nil || root == nil {
		return err
	}
	if err := h.write(ctx, data, root, tmp.Store); err != nil {
		return fmt.Errorf("restore cache mount %s: %w", id, err)
	}
	return nil
}

// Temp is a temporary directory with a store.
type Temp struct {
	Dir   string
	Store *tree.Store // in Dir
}

// NewTemp creates a directory with a store in the directory dir. The caller must call Remove.
func NewTemp(dir string) (*Temp, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp(dir, "mount-")
	if err != nil {
		return nil, err
	}
	s, err := tree.OpenStore(tmp)
	if err != nil {
		return nil, errors.Join(err, tree.RemoveAll(tmp))
	}
	return &Temp{tmp, s}, nil
}

// Remove removes the directory. Nothing may use the store any more.
func (t *Temp) Remove() error { return tree.RemoveAll(t.Dir) }
