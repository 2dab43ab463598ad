package tree

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"slipway/internal/procfd"
)

// hostFile is a file of the host, opened with O_PATH. It refers to the same file even if
// another process replaces the file at its path.
//
// It contains a file descriptor instead of an [os.File], because an os.File takes more
// system calls and a step can write many small files.
type hostFile struct {
	fd   int
	name string
}

// file returns the named file in the current directory. It does not open the file for
// reading, because opening can trigger actions of a device, and blocks for a pipe.
func (d *descent) file(name string) (hostFile, error) {
	fd, err := openFDAt(d.current(), name, unix.O_PATH|unix.O_NOFOLLOW)
	return hostFile{fd, name}, err
}

// Close closes the file.
func (f hostFile) Close() error {
	if err := unix.Close(f.fd); err != nil {
		return &fs.PathError{Op: "close", Path: f.name, Err: err}
	}
	return nil
}

// path returns a path below /proc that refers to the file.
func (f hostFile) path() string { return procfd.Path(uintptr(f.fd)) }

// Stat returns information about the file, without following links.
func (f hostFile) Stat() (fs.FileInfo, error) {
	i := &hostInfo{name: path.Base(f.name)}
	if _, err := retry(func() (int, error) { return 0, syscall.Fstat(f.fd, &i.stat) }); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: f.name, Err: err}
	}
	return i, nil
}

// hostInfo implements [fs.FileInfo].
type hostInfo struct {
	name string
	stat syscall.Stat_t
}

// Name implements [fs.FileInfo].
func (i *hostInfo) Name() string { return i.name }

// Size implements [fs.FileInfo].
func (i *hostInfo) Size() int64 { return i.stat.Size }

// ModTime implements [fs.FileInfo].
func (i *hostInfo) ModTime() time.Time { return time.Unix(i.stat.Mtim.Unix()) }

// IsDir implements [fs.FileInfo].
func (i *hostInfo) IsDir() bool { return i.Mode().IsDir() }

// Sys implements [fs.FileInfo]. It returns a *syscall.Stat_t.
func (i *hostInfo) Sys() any { return &i.stat }

// Mode implements [fs.FileInfo].
func (i *hostInfo) Mode() fs.FileMode {
	m := FileMode(i.stat.Mode)
	switch i.stat.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		m |= fs.ModeDir
	case unix.S_IFLNK:
		m |= fs.ModeSymlink
	case unix.S_IFBLK:
		m |= fs.ModeDevice
	case unix.S_IFCHR:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFIFO:
		m |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		m |= fs.ModeSocket
	}
	return m
}

// enter makes the file f, which must be a directory, the current directory of the
// descent d.
func (f hostFile) enter(d *descent) error {
	return d.open(f.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY)
}

// detach returns a file that can be read after the descent has left the directory of f. The
// caller must close it instead of f.
func (f hostFile) detach() (hostFile, error) { return f, nil }

// reader opens the regular file f for reading.
func (f hostFile) reader() (*os.File, error) { return os.Open(f.path()) }

// readInto reads the regular file f into buf. If the whole content fits, readInto returns
// the length of the content and true. Otherwise, it returns false.
func (f hostFile) readInto(buf []byte) (n int, whole bool, err error) {
	fd, err := openFDAt(unix.AT_FDCWD, f.path(), unix.O_RDONLY)
	if err != nil {
		return 0, false, err
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	for n < len(buf) {
		read, err := retry(func() (int, error) { return unix.Read(fd, buf[n:]) })
		if err != nil {
			return 0, false, &fs.PathError{Op: "read", Path: f.name, Err: err}
		}
		if read == 0 {
			return n, true, nil
		}
		n += read
	}
	return 0, false, nil
}

// retry repeats a system call that a signal interrupts.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// target returns the target of the symbolic link f.
func (f hostFile) target() (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(f.fd, "", buf)
	if err != nil {
		return "", &fs.PathError{Op: "read link", Path: f.name, Err: err}
	}
	return string(buf[:n]), nil
}
