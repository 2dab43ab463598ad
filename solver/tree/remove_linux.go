package tree

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"slipway/internal/procfd"
)

// RemoveAll removes a file or a directory of the host with everything in it. Unlike
// [os.RemoveAll], it handles directories of any depth, and makes directories writable if
// necessary. If a file cannot be removed, it removes the others and returns the first
// error. It returns nil if name does not exist.
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

// removeRetries is the maximum number of further attempts that RemoveAll makes after the first
// one.
const removeRetries = 3

// remover removes the file or directory at the path in its field name. It moves through the
// directory tree with a [descent] that starts at the parent directory of that path.
type remover struct {
	*descent
	name  string
	chmod bool  // make each directory writable for its owner
	err   error // first error of an attempt
}

// remove makes one attempt to remove the file or directory with everything in it. It
// returns the first error.
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
		r.recordError(base, walk(r.descent, base, r.unlink, r.rmdir))
	}
	return errors.Join(r.err, r.close())
}

// unlink removes a file in the current directory. If the file is a directory, unlink
// does not remove it, but makes it writable if r.chmod is true, and returns true.
func (r *remover) unlink(name string) (isDir bool) {
	err := unix.Unlinkat(r.current(), name, 0)
	if !errors.Is(err, unix.EISDIR) {
		r.recordError(name, err)
		return false
	}
	if r.chmod {
		r.recordError(name, r.makeWritable(name))
	}
	return true
}

// makeWritable makes a directory readable and writable for its owner.
func (r *remover) makeWritable(name string) error {
	f, err := openAt(r.current(), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	return errors.Join(os.Chmod(procfd.Path(f.Fd()), 0o700), f.Close())
}

// rmdir removes an empty directory. The parameter err is an earlier error from reading
// the directory, or nil. rmdir records err only if the removal fails.
func (r *remover) rmdir(name string, err error) {
	if rmErr := unix.Unlinkat(r.current(), name, unix.AT_REMOVEDIR); rmErr != nil {
		r.recordError(name, err)
		r.recordError(name, rmErr)
	}
}

// recordError stores err, an error for a file in the current directory, unless an earlier
// error is stored. It ignores errors for files that do not exist.
func (r *remover) recordError(name string, err error) {
	if err == nil || r.err != nil || errors.Is(err, fs.ErrNotExist) {
		return
	}
	var in *fs.PathError
	if errors.As(err, &in) {
		err = in.Err
	}
	r.err = &fs.PathError{Op: "remove", Path: r.path(name), Err: err}
}

// path returns the path of a file in the current directory for an error message. It
// replaces the middle of the path by an ellipsis, because a full path may have millions of
// bytes.
func (r *remover) path(base string) string {
	switch len(r.dirs) {
	case 1:
		return r.name
	case 2:
		return filepath.Join(r.name, base)
	}
	return filepath.Join(r.name, "…", base)
}
