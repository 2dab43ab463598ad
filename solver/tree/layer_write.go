package tree

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
)

// LayerOptions configures [WriteLayer].
type LayerOptions struct {
	// Latest replaces modification times after it. If Latest is nil, all times are kept.
	// It is the value of SOURCE_DATE_EPOCH, see
	// https://reproducible-builds.org/specs/source-date-epoch/.
	Latest *time.Time
}

// Capability is the extended attribute with the capabilities of a program. It is the only
// attribute that layers store, as in BuildKit. Other attributes often depend on the host,
// such as the labels of SELinux.
const Capability = "security.capability"

// WriteLayer writes a layer to w as an uncompressed tar archive. Equal layers yield equal
// bytes. The archive also lists the parent directories of changes, as other tools do. It
// leaves out sockets, which tar archives cannot represent, but contains a whiteout for
// each removed socket. If ctx ends, WriteLayer returns an error.
func WriteLayer(ctx context.Context, w io.Writer, layer Layer, store *Store, opt LayerOptions) error {
	l := &layerWriter{ctx: ctx, tar: tar.NewWriter(w), upper: layer.Upper, store: store, opt: opt, inodes: map[string]string{}, dirs: map[string]bool{"": true}}
	if err := Diff(layer.Lower, layer.Upper, l.change); err != nil {
		return fmt.Errorf("write layer: %w", err)
	}
	return l.tar.Close()
}

// layerWriter writes the entries of one layer.
type layerWriter struct {
	ctx    context.Context
	tar    *tar.Writer
	upper  *Node
	store  *Store
	opt    LayerOptions
	inodes map[string]string // first name of each inode
	dirs   map[string]bool   // directories that the archive lists already
}

// change writes the entry for the change c, preceded by entries for its parent
// directories.
func (l *layerWriter) change(c Change) error {
	if c.Path == "" {
		return nil // container runtimes create the root, so layers do not list it
	}
	if c.Node != nil && c.Node.kind == Socket {
		if c.Old == nil || c.Old.kind == Socket {
			return nil
		}
		c.Node = nil // write a whiteout for the file that the socket replaced
	}
	dir, base := path.Split(c.Path)
	if err := l.parents(path.Clean(dir)); err != nil {
		return err
	}
	if c.Node == nil {
		return l.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: dir + whiteout + base, ModTime: l.time(time.Unix(0, 0))})
	}
	// A directory that replaces a file needs no whiteout: an entry replaces an existing
	// file unless both are directories.
	return l.node(c.Path, c.Node)
}

// parents writes entries for a directory and its parents, unless the archive lists them
// already.
func (l *layerWriter) parents(dir string) error {
	if dir == "." || dir == "/" || l.dirs[dir] {
		return nil
	}
	if err := l.parents(path.Dir(dir)); err != nil {
		return err
	}
	n, err := l.upper.Get(dir)
	if err != nil {
		return err
	}
	return l.node(dir, n)
}

// node writes the archive entry for the node n. The parameter name is the path of n. If
// the archive already lists a node with the same inode, the entry is a hard link.
func (l *layerWriter) node(name string, n *Node) error {
	h := &tar.Header{
		Name: name, Mode: int64(n.meta.Mode), Uid: int(n.meta.UID), Gid: int(n.meta.GID),
		ModTime: l.time(n.meta.ModTime), Format: tar.FormatPAX,
	}
	for _, x := range n.meta.Xattrs {
		if x.Name == Capability {
			h.PAXRecords = map[string]string{xattrPAX + x.Name: x.Value}
		}
	}
	if first, ok := l.inodes[n.inode]; ok && n.inode != "" {
		h.Typeflag, h.Linkname = tar.TypeLink, first
		return l.tar.WriteHeader(h)
	}
	if n.inode != "" {
		l.inodes[n.inode] = name
	}
	switch n.kind {
	case Dir:
		l.dirs[name] = true
		h.Typeflag, h.Name = tar.TypeDir, name+"/"
	case File:
		return l.file(h, n)
	case Symlink:
		h.Typeflag, h.Linkname = tar.TypeSymlink, n.target
	case CharDevice:
		h.Typeflag = tar.TypeChar
	case BlockDevice:
		h.Typeflag = tar.TypeBlock
	case Fifo:
		h.Typeflag = tar.TypeFifo
	case Socket: // left out
	}
	h.Devmajor, h.Devminor = int64(n.device.Major), int64(n.device.Minor)
	return l.tar.WriteHeader(h)
}

// file writes the entry for a regular file, with its content. The header h contains the
// name and the metadata of the file.
func (l *layerWriter) file(h *tar.Header, n *Node) error {
	h.Typeflag, h.Size = tar.TypeReg, n.blob.Size
	if err := l.tar.WriteHeader(h); err != nil {
		return err
	}
	f, err := l.store.OpenContext(l.ctx, n.blob)
	if err != nil {
		return fmt.Errorf("/%s: %w", strings.TrimSuffix(h.Name, "/"), err)
	}
	_, err = io.Copy(l.tar, Reader(l.ctx, f))
	return errors.Join(err, f.Close())
}

// time returns the modification time that a layer stores for the time t. Like other tools,
// it drops fractions of a second. A time after [LayerOptions.Latest] becomes Latest.
func (l *layerWriter) time(t time.Time) time.Time {
	t = t.Truncate(time.Second)
	if l.opt.Latest != nil && t.After(*l.opt.Latest) {
		return *l.opt.Latest
	}
	return t
}
