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
	// Latest is an upper bound for the times of files: later times are replaced by it.
	// If Latest is nil, times are not changed. See SOURCE_DATE_EPOCH,
	// https://reproducible-builds.org/specs/source-date-epoch/.
	Latest *time.Time
}

// Capability is the extended attribute for the capabilities of a program. It is the
// only attribute that layers store. Other attributes belong to a host, such as the
// labels of its security module, and image tools do not write them.
const Capability = "security.capability"

// WriteLayer writes an uncompressed layer, until ctx ends. The output is deterministic.
// Parent directories of changes are listed, as other tools do. Sockets are left out,
// because archives cannot store them, but a removed socket has a whiteout.
func WriteLayer(ctx context.Context, w io.Writer, layer Layer, store *Store, opt LayerOptions) error {
	l := &layerWriter{ctx: ctx, tar: tar.NewWriter(w), upper: layer.Upper, store: store, opt: opt, inodes: map[string]string{}, dirs: map[string]bool{"": true}}
	if err := Diff(layer.Lower, layer.Upper, l.change); err != nil {
		return fmt.Errorf("write layer: %w", err)
	}
	return l.tar.Close()
}

type layerWriter struct {
	ctx    context.Context
	tar    *tar.Writer
	upper  *Node
	store  *Store
	opt    LayerOptions
	inodes map[string]string // inode → first name
	dirs   map[string]bool   // directories that have been listed
}

func (l *layerWriter) change(c Change) error {
	if c.Path == "" {
		return nil // runtimes create the root
	}
	if c.Node != nil && c.Node.kind == Socket {
		if c.Old == nil || c.Old.kind == Socket {
			return nil
		}
		c.Node = nil // the file that the socket replaced is removed
	}
	dir, base := path.Split(c.Path)
	if err := l.parents(path.Clean(dir)); err != nil {
		return err
	}
	if c.Node == nil {
		return l.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: dir + whiteout + base, ModTime: l.time(time.Unix(0, 0))})
	}
	// A directory that replaces a file needs no whiteout: an entry of a layer replaces
	// the existing file, unless both are directories.
	return l.node(c.Path, c.Node)
}

// parents lists the parent directories of a change.
func (l *layerWriter) parents(dir string) error {
	if dir == "." || dir == "/" || l.dirs[dir] {
		return nil
	}
	if err := l.parents(path.Dir(dir)); err != nil {
		return err
	}
	return l.node(dir, l.upper.Get(dir))
}

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

// time returns a time as layers store it: in whole seconds, like other tools, and at
// most Latest.
func (l *layerWriter) time(t time.Time) time.Time {
	t = t.Truncate(time.Second)
	if l.opt.Latest != nil && t.After(*l.opt.Latest) {
		return *l.opt.Latest
	}
	return t
}
