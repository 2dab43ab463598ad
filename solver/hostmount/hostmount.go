// Package hostmount provides mounts from the host for RUN steps: cache mount directories,
// secrets and SSH agent sockets.
//
// The name of a cache mount directory is a digest of the cache mount's id and initial
// content, followed by a number. Steps that run concurrently with sharing=private use
// directories with different numbers.
//
//	NAME-NUMBER/
//		lock  locked while a process uses the cache mount
//		fill  locked while the directory data is restored from an imported cache
//		id    the id of the cache mount; its modification time is the last use
//		data  the directory that processes see
package hostmount

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/internal/regularfile"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// lockRetry is the interval between attempts to lock a cache mount that another process
// uses.
const lockRetry = 20 * time.Millisecond

// Mounts implements solver.Mounts. Its cache mounts are directories on the host. Safe for
// concurrent use, also by several processes with the same Dir.
type Mounts struct {
	Dir     string            // contains the directories of cache mounts
	Store   *tree.Store       // contains the files that cache mounts start with
	Owners  bool              // whether this process may set the owners of these files
	Now     func() time.Time  // returns the time of the last use of a cache mount
	Secrets map[string][]byte // content by id
	Agents  map[string]string // paths of sockets by id; the id of the default agent is "default"

	// Restore returns the files of a cache mount, given its name, from an imported cache. It stores
	// their contents in s. If no cache has the cache mount, it returns nil. Restore is called only
	// if this machine has no directory for the cache mount. It may be nil.
	Restore func(ctx context.Context, name string, s *tree.Store) (*tree.Node, error)
	Temp    string // directory for the stores that Restore gets, see [NewTemp]

	mu    sync.Mutex
	fresh map[string]bool // ids that Reset has discarded: they start without restored files
}

// Secret returns the content of a secret, and reports whether the secret exists.
func (h *Mounts) Secret(_ context.Context, id string) ([]byte, bool, error) {
	data, ok := h.Secrets[id]
	return data, ok, nil
}

// Agent returns the path of the socket of an SSH agent, and reports whether the agent
// exists. The id "" means the default agent.
func (h *Mounts) Agent(_ context.Context, id string) (string, bool, error) {
	if id == "" {
		id = "default"
	}
	socket, ok := h.Agents[id]
	return socket, ok, nil
}

// CacheName returns the name of a cache mount. The name is a digest of two IDs: the id of
// the cache mount and the ID of the snapshot with its initial files.
func (h *Mounts) CacheName(id string, from *snapshot.Snapshot) string {
	return digest.FromString(id + "\x00" + string(from.ID())).Encoded()[:32]
}

// Cache locks the directory of a cache mount and returns its path. The caller must call the
// returned function after the last use, to unlock the directory. If a process of this or
// another build uses the directory, the sharing mode decides whether Cache shares the
// directory, waits for it, or returns another one. If ctx ends while Cache waits, it
// returns an error.
func (h *Mounts) Cache(ctx context.Context, id string, sharing pb.CacheSharingOpt, from *snapshot.Snapshot) (string, func(), error) {
	name := h.CacheName(id, from)
	for i := 0; ; i++ {
		dir := filepath.Join(h.Dir, fmt.Sprintf("%s-%d", name, i))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", nil, err
		}
		lock := flock.New(filepath.Join(dir, "lock"))
		ok, err := tryLock(ctx, lock, sharing)
		if errors.Is(err, fs.ErrNotExist) || ok && !exists(lock) {
			_ = lock.Unlock()
			i-- // a concurrent reset has removed the directory: create it again
			continue
		}
		if err != nil {
			return "", nil, err
		}
		if !ok {
			continue // a process uses the directory, and the sharing mode is private
		}
		release := func() { _ = lock.Unlock() } // if it fails, the system unlocks the file when it is closed
		if err := h.prepare(ctx, dir, id, name, from); err != nil {
			release()
			return "", nil, err
		}
		return filepath.Join(dir, "data"), release, nil
	}
}

// exists reports whether the file that was locked still exists at its path. A reset may
// have renamed the directory of the cache mount before the file was locked.
func exists(lock *flock.Flock) bool {
	locked, err := lock.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(lock.Path())
	return err == nil && os.SameFile(locked, named)
}

// Reset discards the cache mounts with the given ids. Processes started later get new
// directories. Running processes keep the directories that they use until they end.
func (h *Mounts) Reset(ids []string) error {
	h.startFresh(ids)
	dirs, err := os.ReadDir(h.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, d := range dirs {
		dir := filepath.Join(h.Dir, d.Name())
		id, err := regularfile.Read(filepath.Join(dir, "id"))
		if err != nil || !slices.Contains(ids, string(id)) {
			continue
		}
		if err := h.discard(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("reset cache mount %s: %w", id, err)
		}
	}
	return nil
}

// discard renames the directory of a cache mount, so that no new process finds it. It then
// removes the directory, unless a process is using it.
func (h *Mounts) discard(dir string) error {
	renamed, err := h.rename(dir)
	if err != nil {
		return err
	}
	lock := flock.New(filepath.Join(renamed, "lock"))
	ok, err := lock.TryLock()
	if err != nil || !ok {
		return err
	}
	return errors.Join(tree.RemoveAll(renamed), lock.Unlock())
}

// ErrInUse is the error of [Mounts.Remove] for a cache mount that a process uses.
var ErrInUse = errors.New("a process uses the cache mount")

// Remove removes the cache mount in the directory dir, unless a process uses it. Processes started
// later get a new directory. Other processes may start during the removal.
func (h *Mounts) Remove(dir string) error {
	lock := flock.New(filepath.Join(dir, "lock"))
	ok, err := lock.TryLock()
	if err != nil {
		return err
	}
	if !ok {
		return ErrInUse
	}
	err = h.discardLocked(dir)
	return errors.Join(err, lock.Unlock())
}

// discardLocked renames and removes the directory of a cache mount that this process has locked.
func (h *Mounts) discardLocked(dir string) error {
	renamed, err := h.rename(dir)
	if err != nil {
		return err
	}
	return tree.RemoveAll(renamed)
}

// rename renames the directory of a cache mount, so that no new process finds it. It returns the new
// path.
func (h *Mounts) rename(dir string) (string, error) {
	renamed, err := os.MkdirTemp(h.Dir, "reset-")
	if err != nil {
		return "", err
	}
	return renamed, errors.Join(os.Remove(renamed), os.Rename(dir, renamed)) // only the unique name is needed
}

// recordUse records the use of the cache mount in the directory dir. It writes the
// cache mount's id to the file dir/id, and sets the modification time of this file to
// the current time. Several processes may do so at the same time.
func (h *Mounts) recordUse(dir, id string) error {
	name, now := filepath.Join(dir, "id"), h.Now()
	if old, err := regularfile.Read(name); err == nil && string(old) == id {
		return os.Chtimes(name, now, now)
	}
	tmp, err := os.CreateTemp(dir, "id-")
	if err != nil {
		return err
	}
	_, err = tmp.WriteString(id)
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Chtimes(tmp.Name(), now, now)
	}
	if err == nil {
		err = replace(tmp.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(tmp.Name()))
	}
	return nil
}

// replace renames the file tmp to name. Unlike [os.Rename], it also replaces a directory.
func replace(tmp, name string) error {
	if info, err := os.Lstat(name); err == nil && info.IsDir() {
		if err := os.RemoveAll(name); err != nil {
			return err
		}
	}
	return os.Rename(tmp, name)
}

// CacheMount describes a cache mount: its directory, its disk usage and its last use.
type CacheMount struct {
	Dir   string
	ID    string    // as in --mount=type=cache,id=ID; "" if it cannot be read
	Bytes int64     // size on disk
	Used  time.Time // last use; zero if it cannot be read
}

// Caches returns the cache mounts in the directory h.Dir. Their sizes do not include
// files that cannot be read.
func (h *Mounts) Caches(ctx context.Context) ([]CacheMount, error) {
	dirs, err := os.ReadDir(h.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var list []CacheMount
	for _, d := range dirs {
		m := CacheMount{Dir: filepath.Join(h.Dir, d.Name())}
		m.Bytes = tree.DiskSize(ctx, m.Dir)
		if id, err := regularfile.Read(filepath.Join(m.Dir, "id")); err == nil {
			m.ID = string(id)
		}
		if info, err := os.Stat(filepath.Join(m.Dir, "id")); err == nil {
			m.Used = info.ModTime()
		}
		list = append(list, m)
	}
	return list, err
}

// tryLock locks a cache mount, and reports whether it succeeded. The sharing modes private
// and locked need an exclusive lock. If the cache mount is in use, tryLock returns false
// for private and waits for locked. For the mode shared, it waits until no process has an
// exclusive lock, and takes a shared lock. A shared lock only prevents removal and
// exclusive use.
func tryLock(ctx context.Context, lock *flock.Flock, sharing pb.CacheSharingOpt) (bool, error) {
	switch sharing {
	case pb.CacheSharingOpt_PRIVATE:
		return lock.TryLock()
	case pb.CacheSharingOpt_LOCKED:
		return lock.TryLockContext(ctx, lockRetry)
	}
	return lock.TryRLockContext(ctx, lockRetry)
}

// prepare creates the directory dir/data of a cache mount, unless it exists, and records the use of the
// cache mount. The new directory has the files from an imported cache or, if no cache has the cache
// mount, the files of the snapshot from.
func (h *Mounts) prepare(ctx context.Context, dir, id, name string, from *snapshot.Snapshot) error {
	data := filepath.Join(dir, "data")
	if !isDir(data) {
		if err := h.restore(ctx, data, id, name); err != nil {
			return err
		}
	}
	if !isDir(data) {
		root, err := from.Tree()
		if err != nil {
			return err
		}
		if err := h.write(ctx, data, root, h.Store); err != nil {
			return err
		}
	}
	return h.recordUse(dir, id)
}

// isDir reports whether a directory exists.
func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// write creates the directory data with the files of the tree root, whose contents are in s. If
// another process has created the directory meanwhile, write leaves it as it is.
func (h *Mounts) write(ctx context.Context, data string, root *tree.Node, s *tree.Store) error {
	tmp, err := os.MkdirTemp(filepath.Dir(data), "new-")
	if err != nil {
		return err
	}
	if err := tree.WriteDir(ctx, tmp, root, s, tree.HostOptions{Owners: h.Owners}); err != nil {
		return errors.Join(err, tree.RemoveAll(tmp))
	}
	if err := os.Rename(tmp, data); err != nil {
		if isDir(data) {
			return tree.RemoveAll(tmp)
		}
		return err
	}
	return nil
}
