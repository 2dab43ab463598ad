package tree

import (
	"context"
	"errors"
	"io"
	"path/filepath"
)

// inode identifies a file of the host that has several names.
type inode struct{ dev, ino uint64 }

// diskUse is what a file takes of the disk.
type diskUse struct {
	isDir bool
	bytes int64 // of a regular file
	inode inode // zero for a file with one name
}

// withoutHoles returns how many bytes of a file are on disk, of which a file system
// reports blocks of 512 bytes.
func withoutHoles(size, blocks int64) int64 { return min(size, 512*blocks) }

// namesAtOnce is how many names of a directory a walk reads at once.
const namesAtOnce = 1024

// walk goes through all that is below the directory of that name in the last
// directory of d. It calls enter for each file while it lists a directory, then goes
// into the directories for which enter returned true. It calls leave after it has left
// a directory, with the error if it could not list all of it.
//
// It does not call itself: a tree may be deeper than a stack.
func walk(d *descent, name string, enter func(name string) (isDir bool), leave func(name string, err error)) error {
	type dir struct {
		name string
		dirs []string // to be entered
		err  error
	}
	var way []dir
	into := func(name string) {
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
		way = append(way, next)
	}
	into(name)
	for len(way) > 0 {
		at := &way[len(way)-1]
		if n := len(at.dirs); n > 0 {
			next := at.dirs[n-1]
			at.dirs = at.dirs[:n-1]
			into(next)
			continue
		}
		if err := d.up(); err != nil {
			return err
		}
		left := *at
		way = way[:len(way)-1]
		leave(left.name, left.err)
	}
	return nil
}

// DiskSize returns how many bytes the files below a directory take of the disk, each
// once, and without the holes of sparse files. It leaves out what it cannot read and,
// after ctx has ended, what is left.
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
		use, err := d.use(name)
		if err == nil && !use.isDir && !counted[use.inode] {
			bytes += use.bytes
			if use.inode != (inode{}) {
				counted[use.inode] = true
			}
		}
		return err == nil && use.isDir
	}
	if name := filepath.Base(dir); count(name) {
		_ = walk(d, name, count, func(string, error) {}) // what is moved meanwhile is not counted
	}
	return bytes
}
