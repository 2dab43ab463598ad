package chroot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	securejoin "github.com/cyphar/filepath-securejoin"
	"golang.org/x/sys/unix"

	"slipway/internal/procfd"
)

// place is a path in the root at which the runner shows something while the process runs. The
// process may replace directories with links, so the path is always used through the open
// directory parent.
type place struct {
	target string   // path in the root, without links
	mount  int      // index of the mount in the sandbox; -1 for files of the runner
	parent *os.File // directory that contains the place
	name   string   // name in parent

	stub   bool // an empty directory, created as the parent of another place
	hides  bool // the directory aside contains the file that the place hides
	keep   bool // an empty directory remains at the place, if the place hides nothing
	secret *os.File
	cache  *cacheMount
}

// path returns a path of the place for system calls that do not follow its last component.
func (pl *place) path() string { return procfd.Path(pl.parent.Fd()) + "/" + pl.name }

// errInProc is the error for a mount over /proc or inside of it.
var errInProc = errors.New("cannot be mounted because it is inside /proc")

// add adds a place at the path target in the root, and moves an existing file aside. The
// parameter mount is the index of the mount in the sandbox, or -1.
func (s *step) add(target string, mount int) (*place, error) {
	full, err := securejoin.SecureJoin(s.root, target)
	if err != nil {
		return nil, err
	}
	rel := strings.TrimPrefix(full, s.root)
	switch {
	case rel == "":
		return nil, errors.New("the target is the root file system")
	case rel == "/proc" && mount >= 0, strings.HasPrefix(rel, "/proc/"):
		return nil, errInProc
	}
	if err := s.makeParents(path.Dir(rel)); err != nil {
		return nil, err
	}
	pl := &place{target: rel, mount: mount}
	if err := s.open(pl); err != nil {
		return nil, err
	}
	if _, err := os.Lstat(pl.path()); err != nil {
		return pl, ignoreMissing(err)
	}
	pl.hides = true
	return pl, pl.keepTime(func() error { return os.Rename(pl.path(), s.indexed("aside", pl)) })
}

// open opens the directory that contains pl, and adds pl to s.places.
func (s *step) open(pl *place) error {
	dir, err := os.OpenFile(filepath.Join(s.root, path.Dir(pl.target)), unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOTDIR) {
		return fmt.Errorf("%s is not a directory", path.Dir(pl.target))
	}
	if err != nil {
		return err
	}
	pl.parent, pl.name = dir, path.Base(pl.target)
	s.places = append(s.places, pl)
	return nil
}

// makeParents creates the directory with the path dir in the root, and its missing parents.
// Unless the sandbox keeps them, each of them is a place that is removed if it is empty.
func (s *step) makeParents(dir string) error {
	if dir == "/" {
		return nil
	}
	if _, err := os.Lstat(filepath.Join(s.root, dir)); err == nil {
		return nil
	}
	if err := s.makeParents(path.Dir(dir)); err != nil {
		return err
	}
	if s.p.KeepMountParents {
		return makeDir(filepath.Join(s.root, dir))
	}
	pl := &place{target: dir, mount: -1, stub: true}
	if err := s.open(pl); err != nil {
		return err
	}
	return makeDir(pl.path())
}

// indexed returns the path of a file for pl in one of the subdirectories of the step.
func (s *step) indexed(subdir string, pl *place) string {
	for i, other := range s.places {
		if pl == other {
			return filepath.Join(s.work, subdir, strconv.Itoa(i))
		}
	}
	return ""
}

// show calls fn, which creates a file at the place. The directory that contains the place keeps its
// modification time only if the place hides a file. See [step.stubDirs] for the other directories.
func (pl *place) show(fn func() error) error {
	if pl.hides {
		return pl.keepTime(fn)
	}
	return fn()
}

// stubDirs returns the paths in the root of the directories with a place that hides nothing. The
// process finds them with a new modification time. If a process changes nothing in such a
// directory, the result has its old time.
//
// Upstream: runc creates mount points there. BuildKit removes them after the process, and then
// restores only the time that the process left.
func (s *step) stubDirs() map[string]bool {
	dirs := map[string]bool{}
	for _, pl := range s.places {
		if !pl.hides {
			dirs[strings.TrimPrefix(path.Dir(pl.target), "/")] = true
		}
	}
	return dirs
}

// keepTime calls fn and then restores the modification time of the directory that contains
// the place.
func (pl *place) keepTime(fn func() error) error {
	info, err := pl.parent.Stat()
	if err != nil {
		return err
	}
	err = fn()
	return errors.Join(err, os.Chtimes(procfd.Path(pl.parent.Fd()), time.Time{}, info.ModTime()))
}

// remove removes the place with the index i from the root, and restores what it hid. What it
// showed is then in the subdirectory i of the directory out, as [mountName].
func (s *step) remove(i int) error {
	pl := s.places[i]
	return pl.keepTime(func() error {
		if pl.stub {
			err := unix.Unlinkat(int(pl.parent.Fd()), pl.name, unix.AT_REMOVEDIR)
			if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENOTDIR) {
				return nil // the process uses it
			}
			return ignoreMissing(err)
		}
		err := pl.eraseSecret()
		if pl.cache != nil {
			err = errors.Join(err, pl.cache.restore(pl.parent))
			pl.cache = nil
		}
		out := s.indexed("out", pl)
		err = errors.Join(err, os.Mkdir(out, 0o755), ignoreMissing(os.Rename(pl.path(), filepath.Join(out, mountName))))
		switch {
		case err != nil:
		case pl.hides:
			err = ignoreMissing(os.Rename(s.indexed("aside", pl), pl.path()))
		case pl.keep:
			err = ignoreMissing(makeDir(pl.path()))
		}
		return err
	})
}

// eraseSecret erases the content of a secret. If the process has linked or moved the file, the
// error says so: the root would contain it. Other places have no secret.
func (pl *place) eraseSecret() error {
	if pl.secret == nil {
		return nil
	}
	defer pl.secret.Close()
	if err := pl.secret.Truncate(0); err != nil {
		return err
	}
	var file, at unix.Stat_t
	if err := unix.Fstat(int(pl.secret.Fd()), &file); err != nil {
		return err
	}
	err := unix.Fstatat(int(pl.parent.Fd()), pl.name, &at, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case file.Nlink == 0:
		return nil // the process removed it
	case err == nil && file.Nlink == 1 && at.Ino == file.Ino && at.Dev == file.Dev:
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return errors.New("the step moved or linked the mounted file, so that the image would contain it (copy what the step needs outside of the image)")
}
