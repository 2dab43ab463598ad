package llbsource

import (
	"context"
	"errors"
	"fmt"
	gofs "io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/containerd/continuity/sysx"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
	"golang.org/x/sys/unix"
)

// contextFS is an [fsutil.FS] for a directory of the host. It differs from the result of
// [fsutil.NewFS] in two ways, which save system calls when a large context is read. It
// remembers the file information from Walk, which [contextFS.info] returns. It reads extended
// attributes only in [contextFS.xattrs], which another goroutine can call.
type contextFS struct {
	fsutil.FS // opens files
	root      string
	infos     map[*types.Stat]gofs.FileInfo // of entries that Walk found; used by one goroutine
}

// newContextFS returns a contextFS for a directory, which may be a symbolic link.
func newContextFS(dir string) (*contextFS, error) {
	files, err := fsutil.NewFS(dir)
	if err != nil {
		return nil, err
	}
	root, err := filepath.EvalSymlinks(dir)
	return &contextFS{FS: files, root: root, infos: map[*types.Stat]gofs.FileInfo{}}, err
}

// Walk implements [fsutil.FS]. It skips files that another process removes while Walk runs.
func (c *contextFS) Walk(ctx context.Context, target string, fn gofs.WalkDirFunc) error {
	names := map[uint64]string{} // of files that are not directories, by inode
	return filepath.WalkDir(filepath.Join(c.root, target), func(file string, d gofs.DirEntry, walkErr error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if file == c.root {
			return nil
		}
		name := strings.TrimPrefix(file[len(c.root):], "/") // the root may be /
		var entry gofs.DirEntry
		if d != nil {
			entry = &contextEntry{DirEntry: d, fs: c, name: name, names: names}
		}
		err := fn(name, entry, walkErr)
		if errors.Is(err, gofs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
			return filepath.SkipDir
		}
		return err
	})
}

// contextEntry is a file in a [contextFS].
type contextEntry struct {
	gofs.DirEntry
	fs    *contextFS
	name  string            // path below the root
	names map[uint64]string // see [contextFS.Walk]
}

// Info implements [gofs.DirEntry]. The system data of the result is a [types.Stat] without
// extended attributes.
func (e *contextEntry) Info() (gofs.FileInfo, error) {
	info, err := e.DirEntry.Info()
	if err != nil {
		return nil, err
	}
	st := &types.Stat{Path: e.name, Mode: uint32(info.Mode() &^ gofs.ModeSocket), ModTime: info.ModTime().UnixNano()}
	if !info.IsDir() {
		st.Size = info.Size()
		if err := e.fileStat(st, info); err != nil {
			return nil, err
		}
	}
	e.fs.infos[st] = info
	return &fsutil.StatInfo{Stat: st}, nil
}

// fileStat sets the fields of st that apply only to files other than directories.
func (e *contextEntry) fileStat(st *types.Stat, info gofs.FileInfo) (err error) {
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: unexpected type %T", e.name, info.Sys())
	}
	if info.Mode()&gofs.ModeSymlink != 0 {
		if st.Linkname, err = os.Readlink(filepath.Join(e.fs.root, e.name)); err != nil {
			return err
		}
	}
	if info.Mode()&gofs.ModeDevice != 0 {
		st.Devmajor, st.Devminor = int64(unix.Major(sys.Rdev)), int64(unix.Minor(sys.Rdev))
	}
	if sys.Nlink > 1 {
		if first, ok := e.names[sys.Ino]; ok {
			st.Linkname, st.Size = first, 0
			return nil
		}
		e.names[sys.Ino] = e.name
	}
	return nil
}

// info returns the file information from which Walk created st. It must be called in the
// function that Walk calls, at most once for each entry.
func (c *contextFS) info(st *types.Stat) gofs.FileInfo {
	info := c.infos[st]
	delete(c.infos, st)
	return info
}

// xattrs returns the extended attributes of the file called name.
func (c *contextFS) xattrs(name string) (map[string][]byte, error) {
	file := filepath.Join(c.root, name)
	keys, err := sysx.LListxattr(file)
	if err != nil && !errors.Is(err, unix.ENOTSUP) {
		return nil, &gofs.PathError{Op: "list attributes", Path: file, Err: err}
	}
	var attrs map[string][]byte
	for _, key := range keys {
		value, err := sysx.LGetxattr(file, key)
		if err != nil {
			continue // the attribute was removed, or this process may not read it
		}
		if attrs == nil {
			attrs = map[string][]byte{}
		}
		attrs[key] = value
	}
	return attrs, nil
}
