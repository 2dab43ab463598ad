package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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

// ReadDir reads a directory of the host into a tree.
func (r HostReader) ReadDir(dir string) (*Node, error) {
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	n, _, err := r.read(&hostNames{first: map[string]string{}}, dir, "", info)
	return n, err
}

// hostNames remembers the inodes of nodes that have several names.
type hostNames struct{ first map[string]string } // by inode of the host

func (r HostReader) read(names *hostNames, file, name string, info fs.FileInfo) (n *Node, skip bool, err error) {
	sys := systemOf(info)
	f := HostFile{Path: name, Info: info, Meta: Meta{Mode: UnixMode(info.Mode()), UID: sys.uid, GID: sys.gid, ModTime: info.ModTime().UTC()}}
	if f.Meta.Xattrs, err = xattrsOf(file); err != nil {
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
		target, err = os.Readlink(file)
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

func (r HostReader) dir(names *hostNames, file, name string, meta Meta) (*Node, error) {
	list, err := os.ReadDir(file)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, 0, len(list))
	for _, d := range list {
		info, err := d.Info()
		if err != nil {
			return nil, err
		}
		n, skip, err := r.read(names, filepath.Join(file, d.Name()), join(name, d.Name()), info)
		if err != nil {
			return nil, err
		}
		if !skip {
			entries = append(entries, Entry{d.Name(), n})
		}
	}
	return NewDir(meta, entries)
}

func (r HostReader) file(file string, f HostFile, meta Meta) (*Node, error) {
	var b Blob
	known := false
	if r.Blob != nil {
		b, known = r.Blob(f)
	}
	if !known {
		src, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		b, err = r.Store.Put(src)
		src.Close()
		if err != nil {
			return nil, fmt.Errorf("/%s: %w", f.Path, err)
		}
	}
	return NewFile(meta, b), nil
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
