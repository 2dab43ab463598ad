//go:build !linux

package tree

import (
	"errors"
	"io/fs"
	"os"
)

// descent is a position in a directory tree of the host: the open directories on the
// path from a start directory down to the current directory.
type descent struct{ dirs []openDir }

// openDir is a directory that a [descent] has entered and not left yet.
type openDir struct {
	root *os.Root
	*os.File
}

// descend returns a descent whose start and current directory is the named directory.
func descend(name string) (*descent, error) {
	d := &descent{}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return d, d.open(root)
}

// open makes root the current directory of the descent d. The descent closes root when it
// leaves this directory or is closed.
func (d *descent) open(root *os.Root) error {
	f, err := root.Open(".")
	if err != nil {
		return errors.Join(err, root.Close())
	}
	d.dirs = append(d.dirs, openDir{root, f})
	return nil
}

// current returns the current directory.
func (d *descent) current() openDir { return d.dirs[len(d.dirs)-1] }

// names returns the next n names in the current directory, and [io.EOF] after the last
// name. If n is negative, it returns all names.
func (d *descent) names(n int) ([]string, error) { return d.current().Readdirnames(n) }

// down enters the named subdirectory, which becomes the current directory.
func (d *descent) down(name string) error {
	return hostFile{dir: d.current().root, name: name}.enter(d)
}

// up leaves the current directory: its parent becomes the current directory.
func (d *descent) up() error {
	last := d.current()
	d.dirs = d.dirs[:len(d.dirs)-1]
	return errors.Join(last.Close(), last.root.Close())
}

// close closes all directories that the descent keeps open.
func (d *descent) close() error {
	var errs []error
	for len(d.dirs) > 0 {
		errs = append(errs, d.up())
	}
	return errors.Join(errs...)
}

// usage returns the size of a file in the current directory.
func (d *descent) usage(name string) (diskUse, error) {
	info, err := d.current().root.Lstat(name)
	if err != nil {
		return diskUse{}, err
	}
	use := diskUse{isDir: info.IsDir()}
	if info.Mode().IsRegular() {
		use.bytes = info.Size()
	}
	return use, nil
}

// hostFile identifies a file of the host by its name in a directory.
type hostFile struct {
	dir    *os.Root
	name   string
	opened *os.File // set by detach
}

// file returns the named file in the current directory. It does not check that the file
// exists.
func (d *descent) file(name string) (hostFile, error) {
	return hostFile{dir: d.current().root, name: name}, nil
}

// Stat returns information about the file, without following links.
func (f hostFile) Stat() (fs.FileInfo, error) { return f.dir.Lstat(f.name) }

// Close closes the file if it was opened by detach.
func (f hostFile) Close() error {
	if f.opened == nil {
		return nil
	}
	if err := f.opened.Close(); !errors.Is(err, fs.ErrClosed) { // reading may have closed it
		return err
	}
	return nil
}

// enter makes the file f, which must be a directory, the current directory of the
// descent d.
func (f hostFile) enter(d *descent) error {
	root, err := f.dir.OpenRoot(f.name)
	if err != nil {
		return err
	}
	return d.open(root)
}

// detach returns a file that can be read after the descent has left the directory of f. The
// caller must close it instead of f.
func (f hostFile) detach() (hostFile, error) {
	opened, err := f.reader()
	return hostFile{opened: opened}, err
}

// reader opens the regular file f for reading. If another kind of file has replaced it,
// the error is [fs.ErrNotExist].
func (f hostFile) reader() (*os.File, error) {
	if f.opened != nil {
		return f.opened, nil
	}
	r, err := f.dir.Open(f.name)
	if err != nil {
		return nil, err
	}
	info, err := r.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: f.name, Err: fs.ErrNotExist}
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// readInto always returns false, because files are not read this way on this system. The
// caller must call the method reader instead.
func (f hostFile) readInto([]byte) (n int, whole bool, err error) { return 0, false, nil }

// target returns the target of the symbolic link f.
func (f hostFile) target() (string, error) { return f.dir.Readlink(f.name) }

// xattrs returns no attributes: extended attributes are not supported on this system.
func (f hostFile) xattrs() ([]Xattr, bool, error) { return nil, false, nil }
