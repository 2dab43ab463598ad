package tree

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// RemoveAll removes a file or a directory of the host with everything in it. The
// directory may be arbitrarily deep, and may contain directories that their owner may
// not write to. Like [os.RemoveAll], it removes what it can and returns the first
// error. It returns nil if the file does not exist.
func RemoveAll(name string) error {
	r := remover{name: name}
	err := r.remove()
	for range removeRetries {
		switch {
		case errors.Is(err, fs.ErrPermission) && !r.chmod:
			r.chmod = true
		case !errors.Is(err, unix.ENOTEMPTY): // another process has added a file
			return err
		}
		err = r.remove()
	}
	return err
}

// removeRetries is the maximum number of further attempts to remove a file.
const removeRetries = 3

// remover removes a file or a directory in the first directory of a descent.
type remover struct {
	*descent
	name  string
	chmod bool // make each directory writable for its owner
	err   error
}

func (r *remover) remove() (err error) {
	if r.descent, err = descend(filepath.Dir(r.name)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	r.err = nil
	base := filepath.Base(r.name)
	if r.unlink(base) {
		r.note(base, walk(r.descent, base, r.unlink, r.rmdir))
	}
	return errors.Join(r.err, r.close())
}

// unlink removes a file. It reports whether the file is a directory, which it does not
// remove.
func (r *remover) unlink(name string) (isDir bool) {
	err := unix.Unlinkat(r.current(), name, 0)
	if !errors.Is(err, unix.EISDIR) {
		r.note(name, err)
		return false
	}
	if r.chmod {
		r.note(name, r.allow(name))
	}
	return true
}

// allow makes a directory readable and writable for its owner.
func (r *remover) allow(name string) error {
	f, err := openAt(r.current(), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	return errors.Join(os.Chmod(fdPath(f), 0o700), f.Close())
}

func (r *remover) rmdir(name string, err error) {
	if rmErr := unix.Unlinkat(r.current(), name, unix.AT_REMOVEDIR); rmErr != nil {
		r.note(name, err)
		r.note(name, rmErr)
	}
}

// note stores the first error.
func (r *remover) note(name string, err error) {
	if err == nil || r.err != nil || errors.Is(err, fs.ErrNotExist) {
		return
	}
	var in *fs.PathError
	if errors.As(err, &in) {
		err = in.Err
	}
	r.err = &fs.PathError{Op: "remove", Path: r.path(name), Err: err}
}

// path returns the path of a file in the last directory for an error message. It is
// shortened, because a full path may have millions of bytes.
func (r *remover) path(base string) string {
	switch len(r.dirs) {
	case 1:
		return r.name
	case 2:
		return filepath.Join(r.name, base)
	}
	return filepath.Join(r.name, "…", base)
}
