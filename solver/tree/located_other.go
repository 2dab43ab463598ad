//go:build !linux

package tree

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// openBeneath opens a regular file below the directory dir. The parameter name is the path
// of the file relative to dir. openBeneath opens no file outside dir.
func openBeneath(dir, name string) (*os.File, error) {
	if !validPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	info, err := root.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: errNotRegular}
	}
	var f *os.File
	if err == nil {
		f, err = root.Open(name)
	}
	return f, errors.Join(err, root.Close())
}

// openDirBeneath opens a directory below the directory dir for operations on its files. The
// parameter name is its path, or "." for dir itself.
func openDirBeneath(dir, name string) (*os.Root, error) {
	root, err := os.OpenRoot(dir)
	if err != nil || name == "." {
		return root, err
	}
	sub, err := root.OpenRoot(name)
	return sub, errors.Join(err, root.Close())
}

// makePlain makes a file readable and writable for this user only.
func makePlain(dir *os.Root, name string) error { return dir.Chmod(name, 0o600) }

// renameFrom moves a file out of the directory dir. The parameter name is the name of the
// file in dir, and target is its new absolute path.
func renameFrom(dir *os.Root, name, target string) error {
	return os.Rename(filepath.Join(dir.Name(), name), target)
}

// renameInto moves a file into the directory dir. The parameter source is the absolute path
// of the file, and name is its new name.
func renameInto(source string, dir *os.Root, name string) error {
	return os.Rename(source, filepath.Join(dir.Name(), name))
}

// isCrossDevice reports whether err means that a file cannot be renamed because the new path
// is on another file system.
func isCrossDevice(err error) bool { return errors.Is(err, syscall.EXDEV) }
