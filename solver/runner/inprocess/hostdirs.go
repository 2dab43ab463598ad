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

// lockRetry is the interval between attempts to lock a directory.
const lockRetry = 10 * time.Millisecond

// locked calls fn while no other step reads or writes a directory of the host.
func locked(ctx context.Context, dir string, fn func() error) error {
	lock := flock.New(dir + ".lock")
	if _, err := lock.TryLockContext(ctx, lockRetry); err != nil {
		return err
	}
	return errors.Join(fn(), lock.Unlock())
}

// openDir reads the part of a directory of the host that a mount shows.
func (f *Files) openDir(ctx context.Context, m *runner.Mount) (n *tree.Node, err error) {
	err = locked(ctx, m.HostPath, func() error {
		all, err := f.readDir(ctx, m.HostPath)
		if err != nil {
			return err
		}
		_, n, err = m.Resolve(all)
		return err
	})
	return n, err
}

func (f *Files) readDir(ctx context.Context, dir string) (*tree.Node, error) {
	return tree.HostReader{Store: f.Store, Meta: func(h tree.HostFile) tree.Meta {
		h.Meta.UID, h.Meta.GID = 0, 0 // files belong to the user of the builder
		return h.Meta
	}}.ReadDir(ctx, dir)
}

// saveCaches applies the changes of the process to directories of the host. It
// preserves changes that other processes made since the directories were read.
func (f *Files) saveCaches(ctx context.Context, list []*tree.Node) error {
	for i := range f.mounts {
		m, before := &f.mounts[i], f.opened[i]
		if m.Kind != runner.MountDir || m.ReadOnly || before.Same(list[i]) {
			continue
		}
		err := locked(ctx, m.HostPath, func() error {
			all, err := f.readDir(ctx, m.HostPath)
			if err != nil {
				return err
			}
			at, now, err := m.Resolve(all)
			if err != nil {
				return err
			}
			e := tree.Edit(all)
			if err := e.Put(at, tree.Apply(now, before, list[i])); err != nil {
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

// replaceDir writes a tree next to a directory and then replaces the directory with it.
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
