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
	Path   string // path in the tree
	Info   fs.FileInfo
	Meta   Meta // metadata on the host
	Opaque bool // whether it is an opaque directory of an overlay, which hides the same directory in lower layers
}

// HostReader reads directories of the host into trees. Its fields Blob, Meta and Skip are
// optional functions.
type HostReader struct {
	// Store gets the content of files. If it is nil, files are hashed, but their content
	// is not stored.
	Store *Store
	// Origin identifies the tree that the files become part of. Files that are read with
	// different origins are never hard links of each other.
	Origin string
	// Blob returns the content of a regular file and true if the caller knows it, so that
	// the file need not be read.
	Blob func(HostFile) (Blob, bool)
	// Meta returns the metadata of the node for a file. If Meta is nil, it is the metadata
	// on the host. ReadDir returns the errors of Meta.
	Meta func(HostFile) (Meta, error)
	// Skip reports whether a file, or a directory with everything below it, is left out.
	Skip func(HostFile) bool
}

// ReadDir reads the directory dir of the host into a tree, and stores the content of its
// files. It reads several files concurrently. If files cannot be read, it returns the error of
// the first one in the order of the tree. If ctx ends, it returns context.Cause(ctx).
//
// Other processes may change the directory while ReadDir reads it. ReadDir never reads files
// outside dir, because it follows no symbolic links, and it never opens a device or a pipe.
func (r HostReader) ReadDir(ctx context.Context, dir string) (*Node, error) {
	h, err := r.start(ctx, dir)
	if err != nil {
		return nil, err
	}
	top, err := h.entry(".", "")
	if failed := h.contents.wait(); failed != nil {
		err = failed // comes before err in the order of the tree
	}
	if err = errors.Join(err, h.dirs.close()); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	return top.build()
}

// start prepares reading the directory dir.
func (r HostReader) start(ctx context.Context, dir string) (*hostReading, error) {
	dirs, err := descend(dir)
	if err != nil {
		return nil, err
	}
	return &hostReading{
		HostReader: r, ctx: ctx, dirs: dirs, contents: newContentReader(ctx, r.Store),
		inodes: map[string]string{}, linked: map[string]*fileContent{},
	}, nil
}

// hostReading is the state of one call of [HostReader.ReadDir].
type hostReading struct {
	HostReader
	ctx      context.Context
	dirs     *descent                // the directories from the top down to the directory that is being read
	contents *contentReader          // reads the contents of files
	inodes   map[string]string       // inodes of nodes with several names, by [system.inode]
	linked   map[string]*fileContent // contents of files with several names, by [system.version]
}

// hostEntry is a file or directory that [HostReader.ReadDir] has found on the host. It becomes
// a node when the contents of all files have been read.
type hostEntry struct {
	name    string       // name in its directory
	node    *Node        // the node without its content or entries
	content *fileContent // content of the file; nil if the node has it, or is not a file
	entries []*hostEntry // entries of the directory
}

// build converts the host file or directory to a node of a tree. The contents of all files
// must have been read.
func (e *hostEntry) build() (*Node, error) {
	switch {
	case e.content != nil:
		n := *e.node
		n.blob = e.content.blob
		return &n, nil
	case e.node.kind != Dir:
		return e.node, nil
	}
	entries := make([]Entry, len(e.entries))
	for i, child := range e.entries {
		n, err := child.build()
		if err != nil {
			return nil, err
		}
		entries[i] = Entry{child.name, n}
	}
	return NewDir(e.node.meta, entries)
}

// errStopped stops the search for further files after the content of a file could not be read.
// [contentReader.wait] returns the reason.
var errStopped = errors.New("reading has stopped")

// entry returns an entry for the file with the name base in the current directory of the
// reader. The parameter name is the path of the file in the tree. If [HostReader.Skip]
// excludes the file, or if the type of the file is unknown, the result is nil.
func (r *hostReading) entry(base, name string) (*hostEntry, error) {
	switch {
	case r.ctx.Err() != nil:
		return nil, context.Cause(r.ctx)
	case r.contents.stopped():
		return nil, errStopped
	case len(name) > maxPath:
		return nil, fmt.Errorf("%s: %w", shortPath(name), errLong)
	}
	file, err := r.dirs.file(base)
	if err != nil {
		return nil, err
	}
	e, closed, err := r.file(file, name)
	// Close the file before its entries are read. Otherwise, a deep tree could exceed the
	// limit of open files.
	if !closed {
		err = errors.Join(err, file.Close())
	}
	if err != nil || e == nil {
		return nil, err
	}
	if e.name = base; e.node.kind != Dir {
		return e, nil
	}
	if e.entries, err = r.dir(name); err != nil || name == "" {
		return e, err
	}
	return e, r.dirs.up()
}

// file returns the entry for an open file, and whether the file will be closed. The
// parameter name is the path of the file in the tree. If the file is a directory, it becomes
// the current directory of the reader, and the result has no entries yet. If
// [HostReader.Skip] excludes the file, or if the type of the file is unknown, the result is
// nil.
func (r *hostReading) file(file hostFile, name string) (e *hostEntry, closed bool, err error) {
	info, err := file.Stat()
	if err != nil {
		return nil, false, err
	}
	sys := systemOf(info)
	f := HostFile{Path: name, Info: info, Meta: Meta{Mode: UnixMode(info.Mode()), UID: sys.uid, GID: sys.gid, ModTime: info.ModTime().UTC()}}
	if f.Meta.Xattrs, f.Opaque, err = file.xattrs(); err != nil {
		return nil, false, fmt.Errorf("%s: %w", shortPath(name), err)
	}
	if r.Skip != nil && r.Skip(f) {
		return nil, false, nil
	}
	meta := f.Meta
	if r.Meta != nil {
		if meta, err = r.Meta(f); err != nil {
			return nil, false, fmt.Errorf("%s: %w", shortPath(name), err)
		}
	}
	e = &hostEntry{}
	switch mode := info.Mode(); {
	case mode.IsDir():
		if name != "" { // ReadDir has entered the first directory already
			err = file.enter(r.dirs)
		}
		e.node = &Node{kind: Dir, meta: meta}
		return e, false, err
	case mode.IsRegular():
		var b Blob
		if b, e.content, closed, err = r.content(file, f, sys); err != nil {
			return nil, closed, fmt.Errorf("%s: %w", shortPath(name), err)
		}
		e.node = NewFile(meta, b)
	case mode&fs.ModeSymlink != 0:
		target, err := file.target()
		if err != nil {
			return nil, false, err
		}
		e.node = NewSymlink(meta, target)
	default:
		if e.node = newSpecial(mode, meta, sys.device); e.node == nil {
			return nil, false, nil
		}
	}
	if sys.inode != "" {
		e.node = e.node.WithInode(r.inode(sys.inode, name))
	}
	return e, closed, nil
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

// inode returns the inode of the nodes for a host file with several names. The parameter host
// is the file's [system.inode], and name is one of its names. The first call for a file
// derives the inode from this name, and later calls return the same inode.
func (r *hostReading) inode(host, name string) string {
	inode, ok := r.inodes[host]
	if !ok {
		inode = NewInode(r.Origin, name)
		r.inodes[host] = inode
	}
	return inode
}

// dir reads the entries of the reader's current directory. The parameter name is the path of
// the directory in the tree.
func (r *hostReading) dir(name string) ([]*hostEntry, error) {
	list, err := r.dirs.names(-1)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", shortPath(name), err)
	}
	slices.Sort(list) // the inode of a node depends on which of its names comes first
	entries := make([]*hostEntry, 0, len(list))
	for _, base := range list {
		e, err := r.entry(base, join(name, base))
		if err != nil {
			return nil, err
		}
		if e != nil {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// content returns the content of a regular file. If [HostReader.Blob] knows the content,
// content returns the blob b. Otherwise, content starts to read the file and returns c, whose
// blob is set later. A file with several names is read only once. If closed is true, the
// reader will close the file, so the caller must not close it.
func (r *hostReading) content(file hostFile, f HostFile, sys system) (b Blob, c *fileContent, closed bool, err error) {
	if r.Blob != nil {
		if b, ok := r.Blob(f); ok {
			return b, nil, false, nil
		}
	}
	if c := r.linked[sys.version]; c != nil {
		return Blob{}, c, false, nil
	}
	if file, err = file.detach(); err != nil {
		return Blob{}, nil, false, err
	}
	c = r.contents.add(f, file)
	if sys.version != "" {
		r.linked[sys.version] = c
	}
	return Blob{}, c, true, nil
}

// maxShown is the maximum length in bytes of a path in an error message. Longer paths are
// shortened.
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
