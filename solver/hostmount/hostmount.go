// Package hostmount provides mounts of RUN steps that come from the host: the directories
// of cache mounts, secrets and SSH agents.
//
// A cache mount is a directory of Dir, named by a digest and a number:
//
//	NAME-NUMBER/
//		lock  locked while a process uses the cache
//		id    the id of the cache; its modification time is the last use
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
	"time"

	"github.com/gofrs/flock"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// lockRetry is the interval at which a process tries again to lock a cache.
const lockRetry = 20 * time.Millisecond

// Mounts implements [solver.Mounts] with cache mounts in a directory, and with secrets
// and agents of the client. Safe for concurrent use.
type Mounts struct {
	Dir     string // directory of the caches
	Store   *tree.Store
	Owners  bool             // whether files of caches may have other owners
	Now     func() time.Time // current time, recorded when a cache is used
	Secrets map[string][]byte
	Agents  map[string]string // sockets by id
}

// Secret returns a secret, and reports whether it exists.
func (h *Mounts) Secret(_ context.Context, id string) ([]byte, bool, error) {
	data, ok := h.Secrets[id]
	return data, ok, nil
}

// Agent returns the socket of an SSH agent, and reports whether the agent exists. The id
// "" is the default agent.
func (h *Mounts) Agent(_ context.Context, id string) (string, bool, error) {
	if id == "" {
		id = "default"
	}
	socket, ok := h.Agents[id]
	return socket, ok, nil
}

// CacheName returns the name of the cache with this id that starts as a copy of from.
func (h *Mounts) CacheName(id string, from *snapshot.Snapshot) string {
	return digest.FromString(id + "\x00" + string(from.ID())).Encoded()[:32]
}

// Cache returns the directory of a cache. If another process of any build uses it, the
// sharing mode decides: processes share the directory, wait for it, or get another one.
// The caller must call release after the last use.
func (h *Mounts) Cache(ctx context.Context, id string, sharing pb.CacheSharingOpt, from *snapshot.Snapshot) (string, func(), error) {
	base := filepath.Join(h.Dir, h.CacheName(id, from))
	for i := 0; ; i++ {
		dir := fmt.Sprintf("%s-%d", base, i)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", nil, err
		}
		lock := flock.New(filepath.Join(dir, "lock"))
		ok, err := take(ctx, lock, sharing)
		if errors.Is(err, fs.ErrNotExist) || ok && !current(lock) {
			_ = lock.Unlock()
			i-- // a concurrent reset removed it
			continue
		}
		if err != nil {
			return "", nil, err
		}
		if !ok {
			continue // in use by another process, and private
		}
		release := func() { _ = lock.Unlock() } // the system unlocks closed files
		data, err := h.fill(ctx, dir, from.Tree())
		if err == nil {
			err = h.note(dir, id)
		}
		if err != nil {
			release()
			return "", nil, err
		}
		return data, release, nil
	}
}

// current reports whether the locked file still exists at its path.
func current(lock *flock.Flock) bool {
	locked, err := lock.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(lock.Path())
	return err == nil && os.SameFile(locked, named)
}

// Reset discards the caches with these ids, so that later processes start with new ones.
// Processes that use one of the caches keep using it.
func (h *Mounts) Reset(ids []string) error {
	dirs, err := os.ReadDir(h.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, d := range dirs {
		dir := filepath.Join(h.Dir, d.Name())
		id, err := os.ReadFile(filepath.Join(dir, "id"))
		if err != nil || !slices.Contains(ids, string(id)) {
			continue
		}
		if err := h.discard(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("reset cache mount %s: %w", id, err)
		}
	}
	return nil
}

// discard renames a cache so that no process finds it. It removes the cache unless a
// process uses it.
func (h *Mounts) discard(dir string) error {
	aside, err := os.MkdirTemp(h.Dir, "reset-")
	if err != nil {
		return err
	}
	if err := errors.Join(os.Remove(aside), os.Rename(dir, aside)); err != nil { // only its name is needed
		return err
	}
	lock := flock.New(filepath.Join(aside, "lock"))
	ok, err := lock.TryLock()
	if err != nil || !ok {
		return err
	}
	return errors.Join(tree.RemoveAll(aside), lock.Unlock())
}

// note records the id of a cache, and the time of its last use as the modification time
// of the file.
func (h *Mounts) note(dir, id string) error {
	name, now := filepath.Join(dir, "id"), h.Now()
	if old, err := os.ReadFile(name); err != nil || string(old) != id {
		if err := os.WriteFile(name, []byte(id), 0o600); err != nil {
			return err
		}
	}
	return os.Chtimes(name, now, now)
}

// CacheMount describes the directory of a cache mount.
type CacheMount struct {
	Dir   string
	ID    string
	Bytes int64
	Used  time.Time
}

// Caches lists the caches in the directory. Sizes do not include files that cannot be
// read.
func (h *Mounts) Caches(ctx context.Context) ([]CacheMount, error) {
	dirs, err := os.ReadDir(h.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var list []CacheMount
	for _, d := range dirs {
		m := CacheMount{Dir: filepath.Join(h.Dir, d.Name())}
		m.Bytes = tree.DiskSize(ctx, m.Dir)
		if id, err := os.ReadFile(filepath.Join(m.Dir, "id")); err == nil {
			m.ID = string(id)
		}
		if info, err := os.Stat(filepath.Join(m.Dir, "id")); err == nil {
			m.Used = info.ModTime()
		}
		list = append(list, m)
	}
	return list, err
}

// take locks a cache for a process. A shared cache gets a shared lock, which only
// prevents its removal and exclusive use.
func take(ctx context.Context, lock *flock.Flock, sharing pb.CacheSharingOpt) (bool, error) {
	switch sharing {
	case pb.CacheSharingOpt_PRIVATE:
		return lock.TryLock()
	case pb.CacheSharingOpt_LOCKED:
		return lock.TryLockContext(ctx, lockRetry)
	}
	return lock.TryRLockContext(ctx, lockRetry)
}

// fill creates the directory of a cache with its initial content, unless it exists.
func (h *Mounts) fill(ctx context.Context, dir string, initial *tree.Node) (string, error) {
	data := filepath.Join(dir, "data")
	if _, err := os.Stat(data); err == nil {
		return data, nil
	}
	tmp, err := os.MkdirTemp(dir, "new-")
	if err != nil {
		return "", err
	}
	if err := tree.WriteDir(ctx, tmp, initial, h.Store, tree.HostOptions{Owners: h.Owners}); err != nil {
		return "", errors.Join(err, tree.RemoveAll(tmp))
	}
	if err := os.Rename(tmp, data); err != nil {
		// Another process that shares the cache was faster.
		if _, there := os.Stat(data); there == nil {
			return data, tree.RemoveAll(tmp)
		}
		return "", err
	}
	return data, nil
}
