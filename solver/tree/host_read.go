package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// HostFile is a file of the host that [HostReader.ReadDir] is about to read.
type HostFile struct {
	Path   string // in the tree
	Info   fs.FileInfo
	Meta   Meta // as on the host
	Opaque bool // an opaque directory of an overlay, which hides the lower directories
}

// HostReader configures [HostReader.ReadDir]. Its functions may be nil.
type HostReader struct {
	Store *Store
	// Origin identifies the tree to which the directory's changes belong. Files read
	// with different origins are never hard links of each other.
	Origin string
	// Blob returns the content of a file if it is known without reading the file.
	Blob func(HostFile) (Blob, bool)
	// Meta returns the metadata for the node of a file.
	Meta func(HostFile) Meta
	// Skip reports whether to leave out a file or directory.
	Skip func(HostFile) bool
}

// ReadDir reads a directory of the host into a tree, until ctx ends. Other processes
// may change the directory meanwhile: links that replace files and directories are not
// followed, and devices are not opened.
func (r HostReader) ReadDir(ctx context.Context, dir string) (*Node, error) {
	dirs, err := descend(dir)
	if err != nil {
		return nil, err
	}
	h := &hostReading{HostReader: r, ctx: ctx, dirs: dirs, first: map[string]string{}, blobs: map[string]Blob{}}
	n, err := h.entry(".", "")
	return n, errors.Join(err, dirs.close())
}

// hostReading is the state of one call of ReadDir.
type hostReading struct {
	HostReader
	ctx   context.Context
	dirs  *descent          // descent to the directory being read
	first map[string]string // inodes of nodes that have several names, by host inode
	blobs map[string]Blob   // content of files that have several names, by [system.version]
}

// entry reads the file base of the last directory. The path of the file in the tree is
// name. It returns nil if the file is left out.
func (r *hostReading) entry(base, name string) (*Node, error) {
	if r.ctx.Err() != nil {
		return nil, context.Cause(r.ctx)
	}
	if len(name) > maxPath {
		return nil, fmt.Errorf("%s: %w", shortPath(name), errLong)
	}
	file, err := r.dirs.file(base)
	if err != nil {
		return nil, err
	}
	n, meta, err := r.file(file, name)
	// Close the file before its entries are read: a tree may be deeper than the limit
	// of open files.
	if err = errors.Join(err, file.Close()); err != nil || n == nil || n.kind != Dir {
		return n, err
	}
	n, err = r.dir(name, meta)
	if err != nil || name == "" {
		return n, err
	}
	return n, r.dirs.up()
}

// file reads a file. It enters a directory, but does not read the directory.
func (r *hostReading) file(file hostFile, name string) (n *Node, meta Meta, err error) {
	info, err := file.Stat()
	if err != nil {
		return nil, meta, err
	}
	sys := systemOf(info)
	f := HostFile{Path: name, Info: info, Meta: Meta{Mode: UnixMode(info.Mode()), UID: sys.uid, GID: sys.gid, ModTime: info.ModTime().UTC()}}
	if f.Meta.Xattrs, f.Opaque, err = file.xattrs(); err != nil {
		return nil, meta, fmt.Errorf("%s: %w", shortPath(name), err)
	}
	if r.Skip != nil && r.Skip(f) {
		return nil, meta, nil
	}
	meta = f.Meta
	if r.Meta != nil {
		meta = r.Meta(f)
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		if name != "" { // the first directory has been entered by ReadDir
			err = file.enter(r.dirs)
		}
		return &Node{kind: Dir}, meta, err
	case mode.IsRegular():
		var b Blob
		if b, err = r.blob(file, f, sys); err != nil {
			return nil, meta, fmt.Errorf("%s: %w", shortPath(name), err)
		}
		n = NewFile(meta, b)
	case mode&fs.ModeSymlink != 0:
		var target string
		if target, err = file.target(); err != nil {
			return nil, meta, err
		}
		n = NewSymlink(meta, target)
	default:
		if n = newSpecial(mode, meta, sys.device); n == nil {
			return nil, meta, nil
		}
	}
	if sys.inode != "" {
		n = n.WithInode(r.inode(sys.inode, name))
	}
	return n, meta, nil
}

// newSpecial returns a device, pipe or socket node, or nil if the file type is unknown.
func newSpecial(mode fs.FileMode, m Meta, d Device) *Node {
	switch {
	case mode&fs.ModeCharDevice != 0:
		return NewDevice(CharDevice, m, d)
	case mode&fs.ModeDevice != 0:
		return NewDevice(BlockDevice, m, d)
	case mode&fs.ModeNamedPipe != 0:
		return NewDevice(Fifo, m, Device{})
	case mode&fs.ModeSocket != 0:
		return NewDevice(Socket, m, Device{})
	}
	return nil
}

// inode returns the node inode for a file with several names, one of which is name.
func (r *hostReading) inode(of, name string) string {
	first, ok := r.first[of]
	if !ok {
		first = NewInode(r.Origin, name)
		r.first[of] = first
	}
	return first
}

// dir reads the last directory of the descent.
func (r *hostReading) dir(name string, meta Meta) (*Node, error) {
	list, err := r.dirs.names(-1)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", shortPath(name), err)
	}
	slices.Sort(list) // because the first name of an inode determines the node inode
	entries := make([]Entry, 0, len(list))
	for _, base := range list {
		n, err := r.entry(base, join(name, base))
		if err != nil {
			return nil, err
		}
		if n != nil {
			entries = append(entries, Entry{base, n})
		}
	}
	return NewDir(meta, entries)
}

// blob returns the content of a regular file. A file with several names is read once.
func (r *hostReading) blob(file hostFile, f HostFile, sys system) (Blob, error) {
	if r.Blob != nil {
		if b, ok := r.Blob(f); ok {
			return b, nil
		}
	}
	if b, ok := r.blobs[sys.version]; ok {
		return b, nil
	}
	src, err := file.reader()
	if err != nil {
		return Blob{}, err
	}
	c, err := content(src)
	var b Blob
	if err == nil {
		b, err = r.Store.Put(Reader(r.ctx, c))
	}
	if err = errors.Join(err, src.Close()); err == nil && sys.version != "" {
		r.blobs[sys.version] = b
	}
	return b, err
}

// maxShown is the length of the longest path that errors show in full.
const maxShown = 400

// shortPath returns a path in a tree for an error message.
func shortPath(name string) string {
	if len(name) > maxShown {
		first, _, _ := strings.Cut(name, "/")
		name = path.Join(first, "…", path.Base(name))
	}
	return "/" + name
}
