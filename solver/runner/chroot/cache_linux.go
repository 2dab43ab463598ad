package chroot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"

	"slipway/solver/runner"
)

// lockRetry is the interval between attempts to lock the directory of a cache mount.
const lockRetry = 10 * time.Millisecond

// cacheMount is a file or directory of the host in the root. While the process runs, an empty
// one takes its place on the host.
type cacheMount struct {
	Source string // path on the host
	Dir    string // directory in the root that contains it: a path on the host
	Name   string // name in Dir
	Inode  uint64 // of the file or directory that the process sees
}

// checkCaches returns an error if two mounts would show the same files of a cache mount, which
// can only be at one path.
func checkCaches(mounts []runner.Mount) error {
	for i, m := range mounts {
		if slices.ContainsFunc(mounts[:i], func(o runner.Mount) bool { return sharesFiles(m, o) }) {
			return fmt.Errorf("mount %s: the chroot runner mounts each directory of a cache at one path of a step (use --runner namespace)", m.Target)
		}
	}
	return nil
}

// sharesFiles reports whether two mounts of directories of the host have files in common.
func sharesFiles(a, b runner.Mount) bool {
	if a.Kind != runner.MountDir || b.Kind != runner.MountDir || a.HostPath != b.HostPath {
		return false
	}
	from, other := strings.TrimSuffix(path.Join("/", a.Source), "/")+"/", strings.TrimSuffix(path.Join("/", b.Source), "/")+"/"
	return strings.HasPrefix(from, other) || strings.HasPrefix(other, from)
}

// lockCaches locks the directories of cache mounts, because only one root at a time can contain
// them. All steps lock them in the order of their names, so that no two steps wait for each
// other.
func (s *step) lockCaches() error {
	var dirs []string
	for i := range s.p.Mounts {
		if m := &s.p.Mounts[i]; m.Kind == runner.MountDir {
			dirs = append(dirs, m.HostPath)
		}
	}
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		lock := flock.New(dir + ".lock")
		if _, err := lock.TryLockContext(s.ctx, lockRetry); err != nil {
			return fmt.Errorf("lock %s: %w", dir, err)
		}
		s.locks = append(s.locks, lock)
	}
	return nil
}

// placeCache exchanges a file or directory of the host with an empty one in the root, which has
// the same owner and mode.
func (s *step) placeCache(pl *place, source string) error {
	info, err := os.Lstat(source)
	if err != nil {
		return err
	}
	if info.IsDir() {
		err = os.Mkdir(pl.path(), 0o700)
	} else {
		err = os.WriteFile(pl.path(), nil, 0o600)
	}
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Lstat(source, &st); err != nil {
		return err
	}
	if err := errors.Join(os.Lchown(pl.path(), int(st.Uid), int(st.Gid)), os.Chmod(pl.path(), info.Mode())); err != nil {
		return err
	}
	c := &cacheMount{Source: source, Dir: s.root + path.Dir(pl.target), Name: pl.name, Inode: st.Ino}
	record, err := json.Marshal(append(s.caches(), c))
	if err == nil {
		err = os.WriteFile(filepath.Join(s.work, recordName), record, 0o600)
	}
	if err == nil {
		err = c.exchange(pl.parent)
	}
	if err != nil {
		return fmt.Errorf("move %s into the root: %w", source, err)
	}
	pl.cache = c
	return nil
}

// recordName is the name of the file in the directory of a step that lists its cache mounts. It
// is written before the files are moved.
const recordName = "caches.json"

// Restore moves the files of cache mounts back that steps have left in the directory dir of a
// runner, because their container was killed. No step may be running.
func Restore(dir string) error {
	records, err := filepath.Glob(filepath.Join(dir, "run", "*", recordName))
	for _, name := range records {
		data, readErr := os.ReadFile(name)
		var list []cacheMount
		if readErr != nil || json.Unmarshal(data, &list) != nil { // incomplete
			err = errors.Join(err, readErr)
			continue
		}
		for _, c := range list {
			var st unix.Stat_t
			at := filepath.Join(c.Dir, c.Name)
			if unix.Lstat(at, &st) == nil && st.Ino == c.Inode { // otherwise, it was not moved
				err = errors.Join(err, unix.Rename(at, c.Source)) // [os.Rename] replaces no empty directory
			}
		}
	}
	return err
}

// exchange exchanges the files on the host and in dir, the open directory in the root.
func (c *cacheMount) exchange(dir *os.File) error {
	return unix.Renameat2(unix.AT_FDCWD, c.Source, int(dir.Fd()), c.Name, unix.RENAME_EXCHANGE)
}

// restore moves the files back to the host. If the process removed them, the empty ones remain
// there. If the process moved them elsewhere, the result is the same, and an error says so.
func (c *cacheMount) restore(dir *os.File) error {
	var st unix.Stat_t
	err := unix.Fstatat(int(dir.Fd()), c.Name, &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && st.Ino != c.Inode:
		return errRemoved
	case err != nil:
		return err
	}
	return c.exchange(dir)
}

// caches returns the cache mounts of the step.
func (s *step) caches() []*cacheMount {
	var list []*cacheMount
	for _, pl := range s.places {
		if pl.cache != nil {
			list = append(list, pl.cache)
		}
	}
	return list
}
