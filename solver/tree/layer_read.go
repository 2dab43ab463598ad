package tree

import (
	"archive/tar"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// whiteout is the prefix of the name of a whiteout: a file in a layer that records that
// another file was deleted. A file called opaque records that all files of its directory
// were deleted. xattrPAX is the prefix of PAX records with extended attributes.
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
	// Plain is set for archives that are not layers of images, such as the source of an
	// ADD. Names like .wh.a then have no special meaning.
	Plain bool
	// OnOverlay makes a device 0/0 an error. Otherwise, such a device deletes the file
	// at its path.
	OnOverlay bool
	// Now returns the modification time for directories that get new entries, and for
	// parent directories that the archive does not list. If Now is nil, directories keep
	// their times, and new parent directories get the zero time.
	Now func() time.Time
	// Origin identifies the archive and its destination, for example by the digest of the
	// operation that unpacks it. Archives with different origins never yield hard links of
	// each other, even if they are equal. Layers of images need no origin, because inodes
	// are also derived from the base tree.
	Origin string
	// Owner returns the metadata of a file, given the metadata in the archive. If Owner is
	// nil, the metadata in the archive is used.
	Owner func(Meta) Meta

	linkSteps int64 // maximum number of lookups through symbolic links; 0 means maxLinkSteps
}

// ReadLayer applies an uncompressed layer to base and returns the resulting tree. base may
// be nil. It stores the content of files in store, but not the directories. It returns an
// error if a name leads out of the tree, or if the layer exceeds a limit.
func ReadLayer(base *Node, layer io.Reader, store *Store, opt ReadOptions) (*Node, error) {
	opt.Limits, opt.linkSteps = opt.Limits.OrDefault(), cmp.Or(opt.linkSteps, maxLinkSteps)
	r := &layerReader{e: Edit(base), store: store, opt: opt, created: map[string]bool{}, createdParents: map[string]bool{}, links: map[string][]string{}}
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

// quoted returns a name in quotes for an error message. It truncates names to 200
// bytes.
func quoted(name string) string {
	const limit = 200
	if len(name) > limit {
		return fmt.Sprintf("%q…", name[:limit])
	}
	return fmt.Sprintf("%q", name)
}

// layerReader applies the entries of one layer to a tree.
type layerReader struct {
	e              *Editor
	store          *Store
	opt            ReadOptions
	created        map[string]bool // paths that this layer created; whiteouts do not remove them
	createdParents map[string]bool // parent directories of these paths
	times          []dirTime
	links          map[string][]string // names of files with several names, by inode

	origin string // part of each inode
	inodes int    // number of inodes created
}

// dirTime is the modification time of a directory that an archive lists.
type dirTime struct {
	name string
	at   time.Time
}

// setTimes sets the modification times of the directories that the archive lists. It is
// called after the last entry, because adding entries to a directory changes its time.
//
// Upstream: a directory is looked up by its name again. If a file has replaced it, the file
// gets the time of the directory. If the name no longer exists, reading the archive fails.
func (r *layerReader) setTimes() error {
	for _, d := range r.times {
		at, err := r.e.Resolve(d.name, true)
		if err != nil {
			return err
		}
		kind, m, err := r.e.Stat(at)
		if err != nil {
			return err
		}
		if kind == 0 {
			return fmt.Errorf("the archive lists the directory %s, and later replaces it or what it is in", quoted("/"+d.name))
		}
		m.ModTime = d.at
		if err := r.e.SetMeta(at, m); err != nil {
			return err
		}
	}
	return nil
}

// entry applies one entry of the layer. content is read only for regular files.
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
	r.recordCreated(name)
	n, err := r.node(h, name, content)
	if err != nil || n == nil {
		return err
	}
	return r.e.Put(name, n)
}

// directory resolves the symbolic links in dir, the parent directory of an entry, and
// returns the resulting path.
//
// Upstream: if a link in this path is dangling, reading an archive fails. For a layer of
// an image, the missing directories are created.
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
		kind, _, err := r.e.Stat(link)
		if err != nil {
			return "", err
		}
		if kind != Symlink {
			continue
		}
		to, err := r.e.Resolve(link, true)
		if err != nil {
			return "", err
		}
		if kind, _, err = r.e.Stat(to); err != nil {
			return "", err
		}
		if kind == 0 {
			return "", fmt.Errorf("/%s is a symbolic link to /%s, which does not exist where the archive is unpacked", link, to)
		}
	}
	return at, nil
}

// setGroupID is the set-group-ID mode bit. New subdirectories of a directory inherit it.
const setGroupID = 0o2000

// deepestDir returns the metadata of the directory at the path dir or, if dir does not
// exist, of its closest existing parent directory. It returns an error if a part of the
// path is not a directory.
func (r *layerReader) deepestDir(dir string) (Meta, error) {
	for p := dir; ; p = path.Dir(p) {
		if p == "." {
			p = ""
		}
		switch kind, m, err := r.e.Stat(p); {
		case err != nil:
			return m, err
		case kind == Dir:
			return m, nil // all parents of a directory are directories
		case kind != 0:
			return m, fmt.Errorf("/%s is a %s, not a directory", p, kind)
		}
	}
}

// parents creates dir, the parent directory of an entry, and its parents if they do not
// exist.
func (r *layerReader) parents(dir string) error {
	m := Meta{Mode: 0o755}
	deepest, err := r.deepestDir(dir)
	if err != nil {
		return err
	}
	if r.opt.Plain {
		m.Mode |= deepest.Mode & setGroupID // Upstream: but the group is root
	}
	if r.opt.Now != nil {
		m.ModTime = r.opt.Now().UTC()
	}
	created, err := r.e.MkdirAll(dir, m)
	for _, p := range created {
		r.recordCreated(p)
	}
	return err
}

// recordCreated records that this layer created the file at a path.
func (r *layerReader) recordCreated(name string) {
	r.created[name] = true
	for p := path.Dir(name); p != "." && !r.createdParents[p]; p = path.Dir(p) {
		r.createdParents[p] = true
	}
}

// whiteout applies a whiteout file in the directory dir. The parameter base is the name
// of the whiteout file, and name is base without the prefix ".wh.". Only files from
// lower layers are removed, even if the archive lists the whiteout after files of this
// layer.
func (r *layerReader) whiteout(dir, base, name string) error {
	if _, err := r.deepestDir(dir); err != nil {
		return err
	}
	if base == opaque {
		names, err := r.e.Names(dir)
		if err != nil {
			return err
		}
		for _, child := range names {
			if err := r.removeLower(path.Join(dir, child)); err != nil {
				return err
			}
		}
		return nil
	}
	if !ValidName(name) {
		return errors.New("the whiteout names no file")
	}
	return r.removeLower(path.Join(dir, name))
}

// removeLower removes the file at a path with everything below it, except for files that
// this layer created.
func (r *layerReader) removeLower(name string) error {
	if !r.created[name] && !r.createdParents[name] {
		return r.e.Remove(name)
	}
	names, err := r.e.Names(name)
	if err != nil {
		return err
	}
	for _, child := range names {
		if err := r.removeLower(path.Join(name, child)); err != nil {
			return err
		}
	}
	return nil
}

// node converts the archive entry h to a node, which the caller inserts into the tree.
// The parameter name is the path of the entry in the tree. If the entry only changes or
// deletes existing nodes, node returns nil.
func (r *layerReader) node(h *tar.Header, name string, content io.Reader) (*Node, error) {
	m := r.meta(h)
	switch h.Typeflag {
	case tar.TypeDir:
		if r.opt.Now != nil {
			r.times = append(r.times, dirTime{clean(h.Name), m.ModTime})
		}
		kind, _, err := r.e.Stat(name)
		if kind == Dir {
			return nil, r.e.SetMeta(name, m)
		}
		return newDir(m, nil), err
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

// charDevice handles an archive entry for the character device n. The parameter name is
// the path of the entry in the tree. charDevice returns n, which the caller inserts
// into the tree. If n is a 0/0 device, charDevice instead removes the file at the path
// and returns nil, or returns an error if the tree is on an overlay.
//
// Upstream: layers are unpacked into the directories of overlays, in which a 0/0 device
// hides the file in a lower layer. Archives are unpacked onto mounted overlays, on which no
// 0/0 device can be created.
func (r *layerReader) charDevice(name string, n *Node) (*Node, error) {
	switch {
	case !n.IsWhiteout():
		return n, nil
	case r.opt.OnOverlay:
		return nil, fmt.Errorf("make device 0/0: %w (overlay file systems take it for a deleted file)", syscall.EPERM)
	}
	return nil, r.e.Remove(name)
}

// meta returns the metadata of an archive entry from its header. [ReadOptions.Owner]
// can change the metadata.
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
