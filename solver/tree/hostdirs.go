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
	bytes int64 // of a regular file
	inode inode // zero for a file with one name
}

// withoutHoles returns the number of bytes of a file that are on disk. blocks counts
// units of 512 bytes, as in stat(2).
func withoutHoles(size, blocks int64) int64 { return min(size, 512*blocks) }

// namesAtOnce is the number of directory entries that walk reads at once.
const namesAtOnce = 1024

// walk visits everything below the directory name, which is an entry of d's last
// directory. It calls enter for each file while it lists a directory, then descends
// into the directories for which enter returned true. After a directory it calls leave,
// with an error if the directory could not be listed completely.
//
// walk is not recursive, because a tree may be deeper than the stack allows.
func walk(d *descent, name string, enter func(name string) (isDir bool), leave func(name string, err error)) error {
	type dir struct {
		name string
		dirs []string // directories still to be entered
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

// DiskSize returns the number of bytes that the files below a directory occupy on disk.
// It counts hard links once, and does not count the holes of sparse files. It skips
// files that it cannot read, and stops early if ctx ends.
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
		_ = walk(d, name, count, func(string, error) {}) // files that are moved meanwhile are not counted
	}
	return bytes
}
