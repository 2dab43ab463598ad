package tree

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// openBeneath opens a regular file below the directory dir. The parameter name is the path
// of the file relative to dir. openBeneath follows no symbolic links.
func openBeneath(dir, name string) (*os.File, error) {
	if !validPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	file, err := pathBeneath(dir, name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errNotRegular}
	}
	return file.reader()
}

// pathBeneath opens a file below the directory dir with O_PATH. The parameter name is the
// path of the file relative to dir. If the kernel allows it, pathBeneath uses one system
// call for the whole path.
func pathBeneath(dir, name string) (hostFile, error) {
	d, err := descend(dir)
	if err != nil {
		return hostFile{}, err
	}
	defer d.close() //nolint:errcheck // nothing was written
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	for {
		fd, err := unix.Openat2(d.current(), name, &how)
		switch {
		case err == nil:
			return hostFile{fd, name}, nil
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
			continue
		case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM), errors.Is(err, unix.ENAMETOOLONG):
			return stepBeneath(d, name)
		}
		return hostFile{}, &fs.PathError{Op: "open", Path: name, Err: err}
	}
}

// stepBeneath does the same as [pathBeneath], but opens one directory of the path at a time.
// The parameter name is the path of the file relative to the current directory of d.
func stepBeneath(d *descent, name string) (hostFile, error) {
	dir, base := path.Split(name)
	for part := range strings.SplitSeq(strings.TrimSuffix(dir, "/"), "/") {
		if part == "" {
			continue
		}
		if err := d.down(part); err != nil {
			return hostFile{}, err
		}
	}
	return d.file(base)
}

// openDirBeneath opens a directory below the directory dir for operations on its files. The
// parameter name is its path, or "." for dir itself.
func openDirBeneath(dir, name string) (*os.Root, error) {
	if name == "." {
		return os.OpenRoot(dir)
	}
	if !validPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	file, err := pathBeneath(dir, name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return os.OpenRoot(file.path())
}

// makePlain turns the file of a layer into the file of a blob: it removes all extended
// attributes, makes this user the owner, and sets the mode to 0600.
func makePlain(dir *os.Root, name string) error {
	return inDir(dir, func(fd int) error {
		opened, err := openFDAt(fd, name, unix.O_PATH|unix.O_NOFOLLOW)
		if err != nil {
			return err
		}
		file := hostFile{opened, name}
		defer file.Close() //nolint:errcheck // nothing was written through it
		at := file.path()
		attrs, _, err := file.xattrs()
		if err != nil {
			return err
		}
		for _, x := range attrs {
			if err := unix.Removexattr(at, x.Name); err != nil && !errors.Is(err, unix.ENODATA) {
				return &fs.PathError{Op: "remove attribute " + x.Name, Path: name, Err: err}
			}
		}
		return errors.Join(os.Chown(at, os.Geteuid(), os.Getegid()), os.Chmod(at, 0o600))
	})
}

// renameFrom moves a file out of the directory dir. The parameter name is the name of the
// file in dir, and target is its new absolute path.
func renameFrom(dir *os.Root, name, target string) error {
	return inDir(dir, func(fd int) error {
		if err := unix.Renameat(fd, name, unix.AT_FDCWD, target); err != nil {
			return &fs.PathError{Op: "rename", Path: name, Err: err}
		}
		return nil
	})
}

// renameInto moves a file into the directory dir. The parameter source is the absolute path
// of the file, and name is its new name. If dir already has a file with this name,
// renameInto returns an error.
func renameInto(source string, dir *os.Root, name string) error {
	return inDir(dir, func(fd int) error {
		if err := unix.Renameat(unix.AT_FDCWD, source, fd, name); err != nil {
			return &fs.PathError{Op: "rename", Path: source, Err: err}
		}
		return nil
	})
}

// isCrossDevice reports whether err means that a file cannot be renamed because the new path
// is on another file system.
func isCrossDevice(err error) bool { return errors.Is(err, unix.EXDEV) }
