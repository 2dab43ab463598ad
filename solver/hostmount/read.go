package hostmount

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"slipway/solver/tree"
)

// Read reads the files of a cache mount, given its name, with the reader r. If this machine has no
// directory for the cache mount, Read returns nil.
//
// Like a process with the sharing mode locked, Read waits until no process uses the directory. If it
// is in use for longer than wait, the error is [ErrInUse]. If the cache mount has several directories,
// Read prefers those that are not in use, and of these the one that was used last.
func (h *Mounts) Read(ctx context.Context, name string, wait time.Duration, r tree.HostReader) (*tree.Node, error) {
	dirs, err := h.dirs(name)
	if err != nil || len(dirs) == 0 {
		return nil, err
	}
	for _, dir := range dirs {
		if n, err := readLocked(ctx, dir, 0, r); !errors.Is(err, ErrInUse) {
			return n, err
		}
	}
	return readLocked(ctx, dirs[0], wait, r)
}

// dirs returns the directories of a cache mount that have files, given its name. The directory that was
// used last comes first.
func (h *Mounts) dirs(name string) ([]string, error) {
	entries, err := os.ReadDir(h.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	type copied struct {
		dir    string
		used   time.Time
		number int
	}
	var list []copied
	for _, e := range entries {
		suffix, ok := strings.CutPrefix(e.Name(), name+"-")
		number, err := strconv.Atoi(suffix)
		dir := filepath.Join(h.Dir, e.Name())
		if !ok || err != nil || !isDir(filepath.Join(dir, "data")) {
			continue
		}
		c := copied{dir: dir, number: number}
		if info, err := os.Stat(filepath.Join(dir, "id")); err == nil {
			c.used = info.ModTime()
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b copied) int {
		return cmp.Or(b.used.Compare(a.used), cmp.Compare(a.number, b.number))
	})
	dirs := make([]string, len(list))
	for i, c := range list {
		dirs[i] = c.dir
	}
	return dirs, nil
}

// readLocked reads the files in the directory dir of a cache mount while no process uses it. If it is in
// use for longer than wait, the error is [ErrInUse]. If a reset has removed the directory, readLocked
// returns nil.
func readLocked(ctx context.Context, dir string, wait time.Duration, r tree.HostReader) (_ *tree.Node, err error) {
	lock := flock.New(filepath.Join(dir, "lock"))
	ok, err := lock.TryLock()
	if !ok && err == nil && wait > 0 {
		limited, cancel := context.WithTimeout(ctx, wait)
		ok, err = lock.TryLockContext(limited, lockRetry)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			err = nil
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !ok:
		return nil, ErrInUse
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if !exists(lock) {
		return nil, nil
	}
	return r.ReadDir(ctx, filepath.Join(dir, "data"))
}
