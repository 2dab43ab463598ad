package inprocess

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"slipway/solver/runner"
	"slipway/solver/tree"
)

// lockRetry is the interval between attempts to lock the directory of a cache mount.
const lockRetry = 10 * time.Millisecond

// withLock calls fn while it holds an exclusive lock on a directory of the host. The
// lock file is next to the directory, so that replacing the directory keeps the lock.
func withLock(ctx context.Context, dir string, fn func() error) error {
	lock := flock.New(dir + ".lock")
	if _, err := lock.TryLockContext(ctx, lockRetry); err != nil {
		return err
	}
	return errors.Join(fn(), lock.Unlock())
}

// openDir reads m, a mount of a host directory, and returns the mounted file or
// directory: the node at the path m.Source in the host directory m.HostPath.
func (f *Files) openDir(ctx context.Context, m *runner.Mount) (n *tree.Node, err error) {
	err = withLock(ctx, m.HostPath, func() error {
		all, err := f.readDir(ctx, m.HostPath)
		if err != nil {
			return err
		}
		_, n, err = m.Resolve(all)
		return err
	})
	return n, err
}

// readDir returns the tree of a host directory. In the tree all files belong to root.
// On the host they belong to the user who runs the builder.
func (f *Files) readDir(ctx context.Context, dir string) (*tree.Node, error) {
	return tree.HostReader{Store: f.Store, Meta: func(h tree.HostFile) (tree.Meta, error) {
		h.Meta.UID, h.Meta.GID = 0, 0
		return h.Meta, nil
	}}.ReadDir(ctx, dir)
}

// saveDirs writes the changes of processes to the host directories of writable mounts,
// such as cache mounts. The parameter trees contains the current tree of each mount.
// Another step may have changed a directory in the meantime. In this case, saveDirs
// preserves the changes of the other step, except for files that both steps changed.
func (f *Files) saveDirs(ctx context.Context, trees []*tree.Node) error {
	for i := range f.mounts {
		m, before := &f.mounts[i], f.initial[i]
		if m.Kind != runner.MountDir || m.ReadOnly || before.Same(trees[i]) {
			continue
		}
		err := withLock(ctx, m.HostPath, func() error {
			all, err := f.readDir(ctx, m.HostPath)
			if err != nil {
				return err
			}
			at, now, err := m.Resolve(all)
			if err != nil {
				return err
			}
			if now, err = tree.Apply(now, before, trees[i]); err != nil {
				return err
			}
			e := tree.Edit(all)
			if err := e.Put(at, now); err != nil {
				return err
			}
			return f.replaceDir(ctx, m.HostPath, e.Tree())
		})
		if err != nil {
			return fmt.Errorf("mount %s: %w", m.Target, err)
		}
	}
	return nil
}

// replaceDir replaces the content of a host directory with a tree. It writes a new
// directory next to the old one and swaps the two.
func (f *Files) replaceDir(ctx context.Context, dir string, n *tree.Node) error {
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "new-")
	if err != nil {
		return err
	}
	defer tree.RemoveAll(tmp) //nolint:errcheck // a prune removes it as well
	full := filepath.Join(tmp, "new")
	if err := os.Mkdir(full, 0o755); err != nil {
		return err
	}
	if err := tree.WriteDir(ctx, full, n, f.Store, tree.HostOptions{}); err != nil {
		return err
	}
	// Other steps that mount the directory must not find it missing.
	if exchange(full, dir) == nil {
		return nil
	}
	old := filepath.Join(tmp, "old")
	if err := os.Rename(dir, old); err != nil {
		return err
	}
	if err := os.Rename(full, dir); err != nil {
		return errors.Join(err, os.Rename(old, dir))
	}
	return nil
}
