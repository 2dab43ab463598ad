package namespace

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"

	"slipway/solver/tree"
)

// scratch is a temporary directory for the data of a runner whose own directory cannot hold an
// overlay. It exists as long as the runner.
type scratch struct {
	dir    string
	record string // link to dir in the runner's own directory, by which a later runner finds it
	lock   *flock.Flock
}

// minScratch is the number of free bytes that a file system must have to hold a scratch directory.
const minScratch = 2 << 30

// openScratch creates a scratch directory for the runner with the directory home. It returns nil
// if no directory for temporary files is on a suitable file system. It first removes the scratch
// directories of runners that were killed.
func openScratch(home string) (*scratch, error) {
	records := filepath.Join(home, "scratch")
	if err := removeScratches(records); err != nil {
		return nil, fmt.Errorf("remove scratch directories: %w", err)
	}
	for _, parent := range scratchParents() {
		if !holdsScratch(parent) {
			continue
		}
		dir, err := os.MkdirTemp(parent, "slipway-") // with the mode 0700
		if err != nil {
			continue
		}
		s := &scratch{dir: dir, record: filepath.Join(records, filepath.Base(dir)), lock: lockOf(dir)}
		_, err = s.lock.TryLock()
		err = errors.Join(err, os.MkdirAll(records, 0o700), os.Symlink(dir, s.record))
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		return s, nil
	}
	return nil, nil
}

// lockOf returns the lock that a runner holds while it uses the scratch directory dir.
func lockOf(dir string) *flock.Flock { return flock.New(filepath.Join(dir, "lock")) }

// scratchParents returns the directories for temporary files.
func scratchParents() []string {
	if dir := os.Getenv("TMPDIR"); dir != "" {
		return []string{dir}
	}
	return []string{"/tmp", "/var/tmp"}
}

// holdsScratch reports whether a directory is on a file system that can hold an overlay and has
// enough space. A file system in memory is suitable only if the user has selected it with
// TMPDIR, because the layers of an image could fill the memory.
func holdsScratch(dir string) bool {
	var st unix.Statfs_t
	if refuses, err := refusesUpper(dir); refuses || err != nil || unix.Statfs(dir, &st) != nil {
		return false
	}
	inMemory := uint32(st.Type) == unix.TMPFS_MAGIC || uint32(st.Type) == unix.RAMFS_MAGIC
	return (!inMemory || os.Getenv("TMPDIR") != "") && st.Bavail*uint64(st.Bsize) >= minScratch
}

// removeScratches removes the scratch directories that the links in the directory records name,
// unless a runner still uses them.
func removeScratches(records string) error {
	entries, err := os.ReadDir(records)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		record := filepath.Join(records, e.Name())
		dir, readErr := os.Readlink(record)
		if readErr != nil {
			err = errors.Join(err, readErr)
			continue
		}
		s := &scratch{dir: dir, record: record, lock: lockOf(dir)}
		var st unix.Stat_t
		if failed := unix.Lstat(dir, &st); failed != nil || int(st.Uid) != os.Geteuid() || st.Mode&unix.S_IFMT != unix.S_IFDIR {
			err = errors.Join(err, os.Remove(record)) // it is gone, or belongs to somebody else
			continue
		}
		if free, lockErr := s.lock.TryLock(); free || lockErr != nil {
			err = errors.Join(err, lockErr, s.close())
		}
	}
	return err
}

// close removes the scratch directory. If s is nil, close does nothing.
func (s *scratch) close() error {
	if s == nil {
		return nil
	}
	err := errors.Join(tree.RemoveAll(s.dir), s.lock.Close())
	if failed := os.Remove(s.record); !errors.Is(failed, os.ErrNotExist) {
		err = errors.Join(err, failed)
	}
	return err
}
