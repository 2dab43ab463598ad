package tree

import (
	"archive/tar"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Whiteouts record in a layer that a file was deleted.
//
// See https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#whiteouts.
const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
	xattrPAX = "SCHILY.xattr."
)

// ReadOptions configures [ReadLayer].
type ReadOptions struct {
	Limits Limits
	// Plain reads an ordinary archive instead of a layer: the names of whiteouts have
	// no special meaning.
	Plain bool
	// OnOverlay rejects devices 0/0. If it is unset, such a device deletes the file
	// that it replaces.
	OnOverlay bool
	// Now returns the time for directories that are created but not listed, and for
	// directories of the tree that get new entries. If Now is nil, created directories
	// get the zero time and existing ones keep theirs.
	Now func() time.Time
	// Origin identifies the archive and its destination, for example by the digest of
	// the operation. Files read with different origins are never hard links of each
	// other, even if the archives are equal. The base tree is part of the identity, so
	// that image layers need no origin.
	Origin string
	// Owner changes the metadata of each file. If Owner is nil, the metadata stays as
	// it is.
	Owner func(Meta) Meta

	linkSteps int64 // zero is maxLinkSteps
}

// ReadLayer applies an uncompressed layer to a tree and stores the content of its
// files. It returns an error for names that leave the tree and for entries that images
// must not contain. It writes nothing but blobs.
func ReadLayer(base *Node, layer io.Reader, store *Store, opt ReadOptions) (*Node, error) {
	opt.Limits, opt.linkSteps = opt.Limits.OrDefault(), cmp.Or(opt.linkSteps, maxLinkSteps)
	r := &layerReader{e: Edit(base), store: store, opt: opt, own: map[string]bool{}, above: map[string]bool{}, links: map[string][]string{}}
	r.e.linkSteps = &opt.linkSteps
	r.origin = opt.Origin + "\x00" + string(r.e.Tree().ID())
	if opt.Now != nil {
		r.e.Touch(opt.Now)
	}
	for tr := tar.NewReader(layer); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			err := r.setTimes()
			return r.e.Tree(), err
		}
		if err != nil {
			return nil, fmt.Errorf("read layer: %w", err)
		}
		if err := r.entry(h, tr); err != nil {
			return nil, fmt.Errorf("layer entry %s: %w", quoted(h.Name), err)
		}
	}
}

// quoted quotes a name and shortens long ones.
func quoted(name string) string {
	const most = 200
	if len(name) > most {
		return fmt.Sprintf("%q…", name[:most])
	}
	return fmt.Sprintf("%q", name)
}

type layerReader struct {
	e     *Editor
	store *Store
	opt   ReadOptions
	own   map[string]bool // paths that this layer created; whiteouts do not remove them
	above map[string]bool // the parent directories of these paths
	times []dirTime
	links map[string][]string // inode → names, for files with several names

	origin string // part of each inode
	inodes int    // number of inodes created
}

// dirTime is the time of a directory listed in an archive.
type dirTime struct {
	name string
	at   time.Time
}

// setTimes sets the times of the listed directories at the end, because adding entries
// changed them.
//
// Upstream: directories are looked up by name, so a file that replaced a directory gets
// its time. If the name no longer exists, the archive is rejected.
func (r *layerReader) setTimes() error {
	for _, d := range r.times {
		at, err := r.e.Resolve(d.name, true)
		if err != nil {
			return err
		}
		_, m, ok := r.e.Stat(at)
		if !ok {
			return fmt.Errorf("the archive lists the directory %s, and later replaces it or what it is in", quoted("/"+d.name))
		}
		m.ModTime = d.at
		if err := r.e.SetMeta(at, m); err != nil {
			return err
		}
	}
	return nil
}

func (r *layerReader) entry(h *tar.Header, content io.Reader) error {
	if err := r.count(h); err != nil {
		return err
	}
	if slices.Contains(strings.Split(h.Name, "/"), "..") && !r.opt.Plain {
		return errors.New("the name leaves the layer")
	}
	name := clean(h.Name)
	if name == "" {
		switch {
		case h.Typeflag != tar.TypeDir:
			return errNotDir
		case r.opt.Plain:
			return nil // Upstream: the root keeps its metadata
		}
		return r.e.SetMeta("", r.meta(h))
	}
	dir, base := path.Split(name)
	dir, err := r.directory(dir)
	if err != nil {
		return err
	}
	if rest, ok := strings.CutPrefix(base, whiteout); ok && !r.opt.Plain {
		return r.whiteout(dir, base, rest)
	}
	if name = path.Join(dir, base); len(name) > maxPath {
		return errLong // a path that links made longer
	}
	if err := r.parents(dir); err != nil {
		return err
	}
	r.mark(name)
	n, err := r.node(h, name, content)
	if err != nil || n == nil {
		return err
	}
	return r.e.Put(name, n)
}

// directory follows the symbolic links in the path of an entry's parent directory.
//
// Upstream: a dangling link in this path is an error for an archive, whose destination
// is the whole tree. For image layers the missing directories are created.
func (r *layerReader) directory(dir string) (string, error) {
	dir = clean(dir)
	at, err := r.e.Resolve(dir, true)
	if err != nil || at == dir || !r.opt.Plain {
		return at, err
	}
	for i := range len(dir) + 1 {
		if i < len(dir) && dir[i] != '/' {
			continue
		}
		link, err := r.e.Resolve(dir[:i], false)
		if err != nil {
			return "", err
		}
		if kind, _, _ := r.e.Stat(link); kind != Symlink {
			continue
		}
		to, err := r.e.Resolve(link, true)
		if err != nil {
			return "", err
		}
		if _, _, ok := r.e.Stat(to); !ok {
			return "", fmt.Errorf("/%s is a symbolic link to /%s, which does not exist where the archive is unpacked", link, to)
		}
	}
	return at, nil
}

// setGroupID is the set-group-ID bit of a directory, which new subdirectories inherit.
const setGroupID = 0o2000

// lowest returns the metadata of the deepest existing directory on a path.
func (r *layerReader) lowest(dir string) (Meta, error) {
	for p := dir; ; p = path.Dir(p) {
		if p == "." {
			p = ""
		}
		switch kind, m, ok := r.e.Stat(p); {
		case ok && kind != Dir:
			return m, fmt.Errorf("/%s is a %s, not a directory", p, kind)
		case ok:
			return m, nil // all parents of a directory are directories
		}
	}
}

// parents creates the parent directories of an entry that the layer does not list.
func (r *layerReader) parents(dir string) error {
	m := Meta{Mode: 0o755}
	lowest, err := r.lowest(dir)
	if err != nil {
		return err
	}
	if r.opt.Plain {
		m.Mode |= lowest.Mode & setGroupID // Upstream: but the group is root's
	}
	if r.opt.Now != nil {
		m.ModTime = r.opt.Now().UTC()
	}
	made, err := r.e.MkdirAll(dir, m)
	for _, p := range made {
		r.mark(p)
	}
	return err
}

// mark records that this layer created the file at a path.
func (r *layerReader) mark(name string) {
	r.own[name] = true
	for p := path.Dir(name); p != "." && !r.above[p]; p = path.Dir(p) {
		r.above[p] = true
	}
}

// whiteout removes files of lower layers. The order of whiteouts and this layer's own
// files does not matter.
func (r *layerReader) whiteout(dir, base, name string) error {
	if _, err := r.lowest(dir); err != nil {
		return err
	}
	if base == opaque {
		for _, child := range r.e.Names(dir) {
			if err := r.hide(path.Join(dir, child)); err != nil {
				return err
			}
		}
		return nil
	}
	if !ValidName(name) {
		return errors.New("the whiteout names no file")
	}
	return r.hide(path.Join(dir, name))
}

// hide removes the file at a path, except for files of this layer.
func (r *layerReader) hide(name string) error {
	if !r.own[name] && !r.above[name] {
		return r.e.Remove(name)
	}
	for _, child := range r.e.Names(name) {
		if err := r.hide(path.Join(name, child)); err != nil {
			return err
		}
	}
	return nil
}

// node returns the node for an entry, or nil if the entry only changed existing nodes.
func (r *layerReader) node(h *tar.Header, name string, content io.Reader) (*Node, error) {
	m := r.meta(h)
	switch h.Typeflag {
	case tar.TypeDir:
		if r.opt.Now != nil {
			r.times = append(r.times, dirTime{clean(h.Name), m.ModTime})
		}
		if kind, _, ok := r.e.Stat(name); ok && kind == Dir {
			return nil, r.e.SetMeta(name, m)
		}
		return newDir(m, nil), nil
	case tar.TypeReg, tar.TypeRegA, tar.TypeGNUSparse: //nolint:staticcheck // old archives have TypeRegA
		if r.opt.Limits.Bytes -= h.Size; r.opt.Limits.Bytes < 0 {
			return nil, errors.New("the layer is too large")
		}
		b, err := r.store.Put(content)
		return NewFile(m, b), err
	case tar.TypeSymlink:
		m.Mode = 0o777 // regardless of the archive: file systems have no other mode for links
		return NewSymlink(m, h.Linkname), nil
	case tar.TypeLink:
		return r.link(name, h.Linkname, m)
	case tar.TypeChar:
		return r.charDevice(name, NewDevice(CharDevice, m, Device{uint32(h.Devmajor), uint32(h.Devminor)}))
	case tar.TypeBlock:
		return NewDevice(BlockDevice, m, Device{uint32(h.Devmajor), uint32(h.Devminor)}), nil
	case tar.TypeFifo:
		return NewDevice(Fifo, m, Device{}), nil
	}
	return nil, fmt.Errorf("unknown type %q", h.Typeflag)
}

// charDevice returns the node of a character device.
//
// Upstream: layers and archives are unpacked onto overlays, where a device 0/0 hides
// the file of a lower layer. Such a device cannot be created on a mounted overlay, so
// an archive that contains one is rejected there.
func (r *layerReader) charDevice(name string, n *Node) (*Node, error) {
	switch {
	case !n.IsWhiteout():
		return n, nil
	case r.opt.OnOverlay:
		return nil, fmt.Errorf("make device 0/0: %w (overlay file systems take it for a deleted file)", syscall.EPERM)
	}
	return nil, r.e.Remove(name)
}

// link returns a hard link to a file of the tree. The metadata of the entry replaces
// the file's metadata, under all names that the layer gave it.
func (r *layerReader) link(name, target string, m Meta) (*Node, error) {
	dir, base := path.Split(clean(target))
	dir, err := r.e.Resolve(dir, true)
	if err != nil {
		return nil, err
	}
	first := path.Join(dir, base)
	if err := r.e.Remove(name); err != nil {
		return nil, err // name is removed first, so a link to itself fails
	}
	n := r.e.Get(first)
	switch {
	case n == nil:
		return nil, &fs.PathError{Op: "link", Path: "/" + first, Err: fs.ErrNotExist}
	case n.kind == Dir:
		return nil, &fs.PathError{Op: "link", Path: "/" + first, Err: errors.New("is a directory")}
	case n.inode == "":
		r.inodes++
		n = n.WithInode(NewInode(r.origin, strconv.Itoa(r.inodes)))
	}
	m.Xattrs = n.meta.WithXattrs(m.Xattrs)
	if n.kind == Symlink {
		m.Mode = n.meta.Mode
	}
	n = n.WithMeta(m)
	if r.links[n.inode] == nil {
		r.links[n.inode] = []string{first}
	}
	for _, other := range r.links[n.inode] {
		if old := r.e.Get(other); old != nil && (other == first || old.inode == n.inode) {
			if err := r.e.Update(other, n); err != nil {
				return nil, err
			}
		}
	}
	r.links[n.inode] = append(r.links[n.inode], name)
	return n, nil
}

func (r *layerReader) meta(h *tar.Header) Meta {
	m := Meta{Mode: uint32(h.Mode) & 0o7777, UID: uint32(h.Uid), GID: uint32(h.Gid), ModTime: h.ModTime.UTC()}
	for _, key := range slices.Sorted(maps.Keys(h.PAXRecords)) {
		if name, ok := strings.CutPrefix(key, xattrPAX); ok {
			m.Xattrs = append(m.Xattrs, Xattr{name, h.PAXRecords[key]})
		}
	}
	if r.opt.Owner != nil {
		return r.opt.Owner(m)
	}
	return m
}
