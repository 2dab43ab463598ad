// Package regularfile opens regular files and rejects all other files. Opening a FIFO would
// block until it has a writer, and reading from a device may never end.
package regularfile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Open opens a regular file for reading. It follows symbolic links. It returns an error if the
// file is not regular.
func Open(name string) (*os.File, error) {
	if err := Check(name); err != nil {
		return nil, err
	}
	// O_NONBLOCK: a FIFO may have replaced the file since Stat.
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = notRegular(name)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func notRegular(name string) error {
	return &fs.PathError{Op: "open", Path: name, Err: errors.New("is not a regular file")}
}

// Read returns the content of a regular file. It follows symbolic links.
func Read(name string) ([]byte, error) {
	f, err := Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	var b bytes.Buffer
	const maxInitial = 64 << 20                               // a damaged file may claim any size
	b.Grow(int(min(info.Size(), maxInitial)) + bytes.MinRead) // ReadFrom grows a buffer with less space at its end
	_, err = b.ReadFrom(f)
	return b.Bytes(), errors.Join(err, f.Close())
}

// Check returns an error if a file exists and is not regular. Use it for a file that a library
// opens.
func Check(name string) error {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return notRegular(name)
	}
	return nil
}

// Dir is an [fs.FS] of the regular files below a directory. Opening any other file returns an
// error.
type Dir string

// Open implements [fs.FS].
func (d Dir) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	f, err := Open(filepath.Join(string(d), filepath.FromSlash(name)))
	if err != nil {
		return nil, err // do not wrap a nil *os.File in a non-nil interface
	}
	return f, nil
}
