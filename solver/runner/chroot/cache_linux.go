package chroot

import (
	"context"
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
		if err := s.lock(dir + ".lock"); err != nil {
			return err
		}
	}
	return nil
}

// lockName is the name of a file in the directory of a step. It is locked until the supervisor
// has ended.
const lockName = "lock"

// lock locks a file, which it creates if necessary, and adds it to s.locks. The supervisor inherits
// the lock, because it uses the files of the step after the builder has ended.
func (s *step) lock(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	s.locks = append(s.locks, f)
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("lock %s: %w", name, err)
		}
		select {
		case <-s.ctx.Done():
			return context.Cause(s.ctx)
		case <-time.After(lockRetry):
		}
	}
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
	if err = s.record(append(s.caches(), c)); err == nil {
		err = c.exchange(pl.parent)
	}
	if err != nil {
		return fmt.Errorf("move %s into the root: %w", source, err)
	}
	pl.cache = c
	return nil
}

// recordName is the name of the file in the directory of a step that lists its cache mounts.
const recordName = "caches.json"

// record writes the list of the cache mounts of the step. The caller must do so before it moves
// the last of them. The file is replaced as a whole, because the builder may be killed.
func (s *step) record(caches []*cacheMount) error {
	data, err := json.Marshal(caches)
	if err != nil {
		return err
	}
	name := filepath.Join(s.work, recordName)
	return errors.Join(os.WriteFile(name+".new", data, 0o600), os.Rename(name+".new", name))
}

// Restore kills the processes of steps whose builder was killed, and moves the files of their cache
// mounts back. The parameter dir is the directory of a runner. No builder may
// be using it.
func Restore(dir string) error {
	steps, err := filepath.Glob(filepath.Join(dir, "run", "*"))
	if err != nil || len(steps) == 0 {
		return err
	}
	killInside(filepath.Join(dir, "run"))
	for _, work := range steps {
		err = errors.Join(err, awaitSupervisor(work), restoreRecord(filepath.Join(work, recordName)))
	}
	return err
}

// awaitSupervisor waits until the supervisor of the step with the directory work has ended. If it
// has survived its builder, it is removing the directory.
func awaitSupervisor(work string) error {
	f, err := os.Open(filepath.Join(work, lockName))
	if err != nil {
		return ignoreMissing(err)
	}
	defer f.Close()
	for {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// restoreRecord moves the files back that the record of a step lists. No process of the step may
// be running. If the record does not exist or is incomplete, no file was moved.
func restoreRecord(name string) error {
	data, err := os.ReadFile(name)
	var list []cacheMount
	if err != nil || json.Unmarshal(data, &list) != nil {
		return ignoreMissing(err)
	}
	for _, c := range list {
		var st unix.Stat_t
		at := filepath.Join(c.Dir, c.Name)
		if unix.Lstat(at, &st) == nil && st.Ino == c.Inode { // otherwise, it was not moved
			err = errors.Join(err, unix.Rename(at, c.Source)) // [os.Rename] replaces no empty directory
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
