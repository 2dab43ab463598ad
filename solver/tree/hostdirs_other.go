//go:build !linux

package tree

import (
	"errors"
	"io/fs"
	"os"
)

// descent is the way from a directory of the host down to one below it.
type descent struct{ dirs []openDir }

// openDir is a directory of a descent.
type openDir struct {
	root *os.Root
	*os.File
}

// descend opens a directory from which a descent starts.
func descend(name string) (*descent, error) {
	d := &descent{}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return d, d.open(root)
}

// open makes a directory the last of the descent.
func (d *descent) open(root *os.Root) error {
	f, err := root.Open(".")
	if err != nil {
		return errors.Join(err, root.Close())
	}
	d.dirs = append(d.dirs, openDir{root, f})
	return nil
}

func (d *descent) last() openDir { return d.dirs[len(d.dirs)-1] }

// names returns up to n names in the last directory that were not returned before, and
// all if n is negative.
func (d *descent) names(n int) ([]string, error) { return d.last().Readdirnames(n) }

// down enters a directory in the last one.
func (d *descent) down(name string) error { return hostFile{d.last().root, name}.enter(d) }

// up leaves the last directory for the one before.
func (d *descent) up() error {
	last := d.last()
	d.dirs = d.dirs[:len(d.dirs)-1]
	return errors.Join(last.Close(), last.root.Close())
}

// close closes what is open.
func (d *descent) close() error {
	var errs []error
	for len(d.dirs) > 0 {
		errs = append(errs, d.up())
	}
	return errors.Join(errs...)
}

// use returns what a file in the last directory takes of the disk.
func (d *descent) use(name string) (diskUse, error) {
	info, err := d.last().root.Lstat(name)
	if err != nil {
		return diskUse{}, err
	}
	use := diskUse{isDir: info.IsDir()}
	if info.Mode().IsRegular() {
		use.bytes = info.Size()
	}
	return use, nil
}

// hostFile is a file of a directory of the host.
type hostFile struct {
	dir  *os.Root
	name string
}

// file finds a file in the last directory.
func (d *descent) file(name string) (hostFile, error) { return hostFile{d.last().root, name}, nil }

// Stat describes the file.
func (f hostFile) Stat() (fs.FileInfo, error) { return f.dir.Lstat(f.name) }

// Close does nothing: the file is not open.
func (f hostFile) Close() error { return nil }

// enter enters the directory that the file is.
func (f hostFile) enter(d *descent) error {
	root, err := f.dir.OpenRoot(f.name)
	if err != nil {
		return err
	}
	return d.open(root)
}

// reader opens a regular file. A file that is another by now does not exist.
func (f hostFile) reader() (*os.File, error) {
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

// target returns the target of a symbolic link.
func (f hostFile) target() (string, error) { return f.dir.Readlink(f.name) }

func (f hostFile) xattrs() ([]Xattr, bool, error) { return nil, false, nil }
