package tree

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// maxOpenDirs is the maximum number of directories that a [descent] keeps open while it
// moves through a directory tree. A tree may be deeper than the limit of open files.
const maxOpenDirs = 64

// descent is a position in a directory tree of the host: the directories on the path from a
// start directory down to the current directory.
//
// Other processes may concurrently rename and replace directories. They cannot lead a descent
// to a directory outside the tree, because a descent does not follow links. It also returns
// an error if ".." is not the directory from which it entered the current directory.
type descent struct {
	dirs   []openDir
	closed int // dirs[:closed] are closed
}

// openDir is a directory that a [descent] has entered and not left yet.
type openDir struct {
	*os.File
	dev, ino uint64
}

// descend returns a descent whose start and current directory is the named directory.
func descend(name string) (*descent, error) {
	d := &descent{}
	return d, d.open(unix.AT_FDCWD, name, unix.O_RDONLY|unix.O_DIRECTORY)
}

// open opens a directory and makes it the current directory of the descent d. The
// parameter name is relative to the directory with the file descriptor dirfd.
func (d *descent) open(dirfd int, name string, flags int) error {
	dir, err := openDirAt(dirfd, name, flags)
	if err != nil {
		return err
	}
	if d.dirs = append(d.dirs, dir); len(d.dirs)-d.closed > maxOpenDirs {
		d.closed++
		return d.dirs[d.closed-1].Close()
	}
	return nil
}

// openDirAt opens a directory and reads its inode. The parameter name is relative to
// the directory with the file descriptor dirfd.
func openDirAt(dirfd int, name string, flags int) (openDir, error) {
	f, err := openAt(dirfd, name, flags)
	if err != nil {
		return openDir{}, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return openDir{}, errors.Join(&fs.PathError{Op: "stat", Path: name, Err: err}, f.Close())
	}
	return openDir{f, st.Dev, st.Ino}, nil
}

// openAt opens a file. The parameter name is relative to the directory with the file
// descriptor dirfd.
func openAt(dirfd int, name string, flags int) (*os.File, error) {
	fd, err := openFDAt(dirfd, name, flags)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// openFDAt is like [openAt], but returns a file descriptor, which takes fewer system calls.
func openFDAt(dirfd int, name string, flags int) (fd int, err error) {
	fd, err = retry(func() (int, error) { return unix.Openat(dirfd, name, flags|unix.O_CLOEXEC, 0) })
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return fd, nil
}

// current returns the file descriptor of the current directory.
func (d *descent) current() int { return int(d.dirs[len(d.dirs)-1].Fd()) }

// names returns the next n names in the current directory, and [io.EOF] after the last
// name. If n is negative, it returns all names. The caller must read all names of a
// directory before it enters a subdirectory.
func (d *descent) names(n int) ([]string, error) {
	return d.dirs[len(d.dirs)-1].Readdirnames(n)
}

// down enters the named subdirectory, which becomes the current directory.
func (d *descent) down(name string) error {
	f, err := d.file(name)
	if err != nil {
		return err
	}
	return errors.Join(f.enter(d), f.Close())
}

// usage returns the disk space that a file in the current directory occupies.
func (d *descent) usage(name string) (diskUse, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(d.current(), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return diskUse{}, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	use := diskUse{isDir: st.Mode&unix.S_IFMT == unix.S_IFDIR}
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		use.bytes = withoutHoles(st.Size, st.Blocks)
	}
	if st.Nlink > 1 {
		use.inode = inode{dev: st.Dev, ino: st.Ino}
	}
	return use, nil
}

// up leaves the current directory: its parent becomes the current directory.
func (d *descent) up() error {
	n := len(d.dirs) - 1
	last := d.dirs[n]
	d.dirs = d.dirs[:n]
	var err error
	if n > 0 && n == d.closed {
		err = d.reopen(last)
	}
	return errors.Join(err, last.Close())
}

// reopen opens the parent directory of a subdirectory again, after the descent has closed the
// parent because of maxOpenDirs. The parameter from is the subdirectory, which the descent
// has just left. If another process has moved the subdirectory to a different parent, reopen
// returns an error.
func (d *descent) reopen(from openDir) error {
	d.closed--
	was := &d.dirs[d.closed]
	// O_PATH works even if the mode no longer permits reading the directory.
	dir, err := openDirAt(int(from.Fd()), "..", unix.O_PATH|unix.O_DIRECTORY)
	if err == nil && (dir.dev != was.dev || dir.ino != was.ino) {
		err = errors.Join(&fs.PathError{Op: "open", Path: "..", Err: fs.ErrNotExist}, dir.Close())
	}
	if err != nil {
		d.dirs, d.closed = nil, 0
		return err
	}
	*was = dir
	return nil
}

// close closes all directories that the descent keeps open.
func (d *descent) close() error {
	var errs []error
	for _, dir := range d.dirs[d.closed:] {
		errs = append(errs, dir.Close())
	}
	d.dirs, d.closed = nil, 0
	return errors.Join(errs...)
}
