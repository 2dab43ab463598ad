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

// HostFile describes a file of the host. It is the argument of the functions that a
// [HostReader] calls.
type HostFile struct {
	Path   string // in the tree
	Info   fs.FileInfo
	Meta   Meta // on the host
	Opaque bool // whether it is an opaque directory of an overlay, which hides the same directory in lower layers
}

// HostReader reads directories of the host into trees. Its fields Blob, Meta and Skip are
// optional functions.
type HostReader struct {
	Store *Store // gets the content of files
	// Origin identifies the tree that the files become part of. Files that are read with
	// different origins are never hard links of each other.
	Origin string
	// Blob returns the content of a regular file and true if the caller knows it, so that
	// the file need not be read.
	Blob func(HostFile) (Blob, bool)
	// Meta returns the metadata of the node for a file. If Meta is nil, it is the metadata
	// on the host.
	Meta func(HostFile) Meta
	// Skip reports whether a file, or a directory with everything below it, is left out.
	Skip func(HostFile) bool
}

// ReadDir reads the directory dir of the host into a tree, and stores the content of
// its files. If ctx ends, it returns context.Cause(ctx).
//
// Other processes may change the directory meanwhile. ReadDir never reads files outside
// dir, because it follows no symbolic links, and it never opens a device or a pipe.
func (r HostReader) ReadDir(ctx context.Context, dir string) (*Node, error) {
	dirs, err := descend(dir)
	if err != nil {
		return nil, err
	}
	h := &hostReading{HostReader: r, ctx: ctx, dirs: dirs, inodes: map[string]string{}, blobs: map[string]Blob{}}
	n, err := h.entry(".", "")
	return n, errors.Join(err, dirs.close())
}

// hostReading is the state of one call of [HostReader.ReadDir].
type hostReading struct {
	HostReader
	ctx    context.Context
	dirs   *descent          // down to the directory that is being read
	inodes map[string]string // inodes of nodes with several names, by [system.inode]
	blobs  map[string]Blob   // content of files with several names, by [system.version]
}

// entry returns a node for the file called base in the current directory of the reader. The
// parameter name is the path of the file in the tree. If [HostReader.Skip] excludes the
// file, or if the type of the file is unknown, entry returns nil.
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
	// Close the file before its entries are read. Otherwise, a deep tree could exceed the
	// limit of open files.
	if err = errors.Join(err, file.Close()); err != nil || n == nil || n.kind != Dir {
		return n, err
	}
	n, err = r.dir(name, meta)
	if err != nil || name == "" {
		return n, err
	}
	return n, r.dirs.up()
}

// file returns the node for an open file, and the metadata for this node. The parameter
// name is the path of the file in the tree. If the file is a directory, it becomes the
// current directory of the reader, and the node has neither entries nor metadata. If
// [HostReader.Skip] excludes the file, or if the type of the file is unknown, the node is
// nil.
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
		if name != "" { // ReadDir has entered the first directory already
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

// newSpecial returns a node for a device, pipe or socket. If mode describes another type of
// file, it returns nil.
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

// inode returns the inode for all nodes that represent the same file of the host under
// different names. The parameter host is the [system.inode] of the file, and name is one of
// its names. The inode is derived from the name in the first call for the file.
func (r *hostReading) inode(host, name string) string {
	inode, ok := r.inodes[host]
	if !ok {
		inode = NewInode(r.Origin, name)
		r.inodes[host] = inode
	}
	return inode
}

// dir reads the entries of the reader's current directory, and returns a node for this
// directory. The parameter name is the path of the directory in the tree, and meta is the
// metadata of the node.
func (r *hostReading) dir(name string, meta Meta) (*Node, error) {
	list, err := r.dirs.names(-1)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", shortPath(name), err)
	}
	slices.Sort(list) // the inode of a node depends on which of its names comes first
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

// blob returns the content of a regular file as a blob. If [HostReader.Blob] does not know
// the content, blob reads the file and stores it. It reads a file with several names only
// once.
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

// maxShown is the length of the longest path that errors show in full, in bytes.
const maxShown = 400

// shortPath returns a path in a tree for an error message, with a leading slash. It
// replaces the middle of a long path by an ellipsis.
func shortPath(name string) string {
	if len(name) > maxShown {
		first, _, _ := strings.Cut(name, "/")
		name = path.Join(first, "…", path.Base(name))
	}
	return "/" + name
}
