package tree

import (
	"context"
	"errors"
	"io"
	"path/filepath"
)

// inode identifies a file of the host that has several names.
type inode struct{ dev, ino uint64 }

// diskUse is the disk space that a file occupies.
type diskUse struct {
	isDir bool
	bytes int64 // bytes of a regular file that are not in holes
	inode inode // zero if the file has only one name
}

// withoutHoles returns the number of bytes of a file that are not in holes. The parameter size
// is the size of the file in bytes, and blocks is the number of blocks of 512 bytes that it
// occupies, as in stat(2).
func withoutHoles(size, blocks int64) int64 { return min(size, 512*blocks) }

// namesAtOnce is the maximum number of names that walk reads from a directory at once.
const namesAtOnce = 1024

// walk visits a directory of the host and everything below it. The parameter name is the name
// of the directory in the current directory of d. walk calls enter for each file in a visited
// directory. If enter returns true, walk visits the file as a directory. After it has visited
// a directory, it returns to the parent and calls leave with the name of the visited
// directory. The parameter err of leave is nil if the directory was listed completely.
//
// walk is not recursive, because a deep tree would exhaust the stack.
func walk(d *descent, name string, enter func(name string) (isDir bool), leave func(name string, err error)) error {
	type dir struct {
		name string
		dirs []string // subdirectories that were not entered yet
		err  error
	}
	var stack []dir // the directories between name and the current one
	descendInto := func(name string) {
		if err := d.down(name); err != nil {
			leave(name, err)
			return
		}
		next := dir{name: name}
		for {
			names, err := d.names(namesAtOnce)
			for _, name := range names {
				if enter(name) {
					next.dirs = append(next.dirs, name)
				}
			}
			if err != nil || len(names) == 0 {
				if !errors.Is(err, io.EOF) {
					next.err = err
				}
				break
			}
		}
		stack = append(stack, next)
	}
	descendInto(name)
	for len(stack) > 0 {
		at := &stack[len(stack)-1]
		if n := len(at.dirs); n > 0 {
			next := at.dirs[n-1]
			at.dirs = at.dirs[:n-1]
			descendInto(next)
			continue
		}
		if err := d.up(); err != nil {
			return err
		}
		last := *at
		stack = stack[:len(stack)-1]
		leave(last.name, last.err)
	}
	return nil
}

// DiskSize returns the number of bytes that the regular files below a directory occupy on
// disk. It counts each file with several names once, and does not count holes of sparse files.
// It ignores files that it cannot read. If ctx ends, it returns the size counted so far.
func DiskSize(ctx context.Context, dir string) int64 {
	d, err := descend(filepath.Dir(dir))
	if err != nil {
		return 0
	}
	defer d.close() //nolint:errcheck // nothing was written
	var bytes int64
	counted := map[inode]bool{}
	count := func(name string) bool {
		if ctx.Err() != nil {
			return false
		}
		use, err := d.usage(name)
		if err == nil && !use.isDir && !counted[use.inode] {
			bytes += use.bytes
			if use.inode != (inode{}) {
				counted[use.inode] = true
			}
		}
		return err == nil && use.isDir
	}
	if name := filepath.Base(dir); count(name) {
		_ = walk(d, name, count, func(string, error) {}) // an error means that files were moved meanwhile
	}
	return bytes
}
