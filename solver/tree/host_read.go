package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// HostFile is a file of the host while [ReadDir] reads it.
type HostFile struct {
	Path string // in the tree
	Info fs.FileInfo
	Meta Meta // as found
}

// HostReader says how [ReadDir] reads. Its functions may be nil.
type HostReader struct {
	Store *Store
	// Origin is the tree that the directory holds changes of. Hard links of one
	// origin are not those of another.
	Origin string
	// Blob returns the content of a file that is known without reading it.
	Blob func(HostFile) (Blob, bool)
	// Meta returns the values that a file is to have.
	Meta func(HostFile) Meta
	// Skip leaves a file or a directory out.
	Skip func(HostFile) bool
}

// ReadDir reads a directory of the host into a tree. Other processes may change the
// directory meanwhile: links that they put in the place of files and directories lead
// nowhere.
func (r HostReader) ReadDir(dir string) (*Node, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	info, err := root.Lstat(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	n, _, err := r.read(&hostNames{first: map[string]string{}}, hostFile{root, dir, "."}, "", info)
	return n, errors.Join(err, root.Close())
}

// hostFile is a file of the host by its name in an open directory.
type hostFile struct {
	dir  *os.Root
	path string // of the directory, for system calls that know no open ones
	name string
}

// hostNames remembers the inodes of nodes that have several names.
type hostNames struct{ first map[string]string } // by inode of the host

func (r HostReader) read(names *hostNames, file hostFile, name string, info fs.FileInfo) (n *Node, skip bool, err error) {
	sys := systemOf(info)
	f := HostFile{Path: name, Info: info, Meta: Meta{Mode: UnixMode(info.Mode()), UID: sys.uid, GID: sys.gid, ModTime: info.ModTime().UTC()}}
	if f.Meta.Xattrs, err = xattrsOf(file.path + "/" + file.name); err != nil {
		return nil, false, err
	}
	if r.Skip != nil && r.Skip(f) {
		return nil, true, nil
	}
	meta := f.Meta
	if r.Meta != nil {
		meta = r.Meta(f)
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		n, err = r.dir(names, file, name, meta)
	case mode.IsRegular():
		n, err = r.file(file, f, meta)
	case mode&fs.ModeSymlink != 0:
		var target string
		target, err = file.dir.Readlink(file.name)
		n = NewSymlink(meta, target)
	case mode&fs.ModeCharDevice != 0:
		n = NewDevice(CharDevice, meta, sys.device)
	case mode&fs.ModeDevice != 0:
		n = NewDevice(BlockDevice, meta, sys.device)
	case mode&fs.ModeNamedPipe != 0:
		n = NewDevice(Fifo, meta, Device{})
	case mode&fs.ModeSocket != 0:
		n = NewDevice(Socket, meta, Device{})
	default:
		return nil, true, nil // the system does not know what it is
	}
	if err == nil && sys.inode != "" {
		n = n.WithInode(names.inode(sys.inode, r.Origin, name))
	}
	return n, false, err
}

// inode returns the inode of a node with several names, of which this is one.
func (h *hostNames) inode(of, origin, name string) string {
	first, ok := h.first[of]
	if !ok {
		first = NewInode(origin, name)
		h.first[of] = first
	}
	return first
}

func (r HostReader) dir(names *hostNames, file hostFile, name string, meta Meta) (n *Node, err error) {
	root, err := file.dir.OpenRoot(file.name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	d, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	list, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	slices.Sort(list) // the first name of an inode names it
	entries := make([]Entry, 0, len(list))
	for _, base := range list {
		info, err := root.Lstat(base)
		if err != nil {
			return nil, err
		}
		n, skip, err := r.read(names, hostFile{root, fdPath(d), base}, join(name, base), info)
		if err != nil {
			return nil, err
		}
		if !skip {
			entries = append(entries, Entry{base, n})
		}
	}
	return NewDir(meta, entries)
}

func (r HostReader) file(file hostFile, f HostFile, meta Meta) (*Node, error) {
	var b Blob
	known := false
	if r.Blob != nil {
		b, known = r.Blob(f)
	}
	if !known {
		src, err := openRegular(file.dir, file.name)
		if err != nil {
			return nil, fmt.Errorf("/%s: %w", f.Path, err)
		}
		b, err = r.Store.Put(src)
		src.Close()
		if err != nil {
			return nil, fmt.Errorf("/%s: %w", f.Path, err)
		}
	}
	return NewFile(meta, b), nil
}

// openRegular opens a regular file, and does not wait for who writes to a pipe that has
// come in its place. Like all that changes while it is read, a file that is another by
// now does not exist.
func openRegular(dir *os.Root, name string) (*os.File, error) {
	f, err := dir.OpenFile(name, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// DiskSize returns how many bytes the files below a directory have. What goes
// meanwhile, or is not there at all, counts nothing.
func DiskSize(dir string) (int64, error) {
	var n int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			var info fs.FileInfo
			if info, err = d.Info(); err == nil {
				n += info.Size()
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return n, err
}
