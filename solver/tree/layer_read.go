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

// Whiteouts are how a layer says that something is gone.
// https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#whiteouts
const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
	xattrPAX = "SCHILY.xattr."
)

// ReadOptions say how a layer is read.
type ReadOptions struct {
	Limits Limits
	// Plain reads any archive: names that a layer uses for whiteouts mean
	// nothing.
	Plain bool
	// OnOverlay refuses devices 0/0. Without it they delete what they replace.
	OnOverlay bool
	// Now is the time of what the archive does not list but makes: directories
	// above files, and those of the tree that get new ones. Nil gives the former
	// the time zero and leaves the latter alone.
	Now func() time.Time
	// Origin is what is unpacked and to where, such as the operation that does it.
	// Hard links of one origin are not those of another, whatever the archives
	// hold. The tree below counts, too: the layers of an image need no origin.
	Origin string
	// Owner changes the values of each file; nil leaves them as they are.
	Owner func(Meta) Meta

	linkSteps int64 // zero is maxLinkSteps
}

// ReadLayer applies an uncompressed layer to a tree and keeps the content of
// its files in the store. Names that leave the layer, and what no image may
// hold, are errors; nothing is written but blobs.
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

// quoted shows a name, of a long one the beginning.
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
	own   map[string]bool // what this layer made: whiteouts do not remove it
	above map[string]bool // the directories above that
	times []dirTime
	links map[string][]string // inode → names, of files with several

	origin string // of inodes
	inodes int    // how many were made
}

// dirTime is the time of a directory that an archive lists.
type dirTime struct {
	name string
	at   time.Time
}

// setTimes gives the listed directories their times, which what was added to
// them has changed.
//
// Upstream: by name, so what has replaced one gets its time. If nothing has, the
// archive is refused.
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
			return nil // Upstream: the target keeps its values
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
		return errLong // through links
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

// directory follows the symbolic links of a directory that an entry goes into.
//
// Upstream: a link to nothing on the way is an error in an archive, whose target
// is all that it can lead to. The layers of an image make what it means.
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

// setGroupID is a bit of a directory's mode: directories that are made in it get
// it too.
const setGroupID = 0o2000

// lowest returns the metadata of the lowest directory that exists on a path.
func (r *layerReader) lowest(dir string) (Meta, error) {
	for p := dir; ; p = path.Dir(p) {
		if p == "." {
			p = ""
		}
		switch kind, m, ok := r.e.Stat(p); {
		case ok && kind != Dir:
			return m, fmt.Errorf("/%s is a %s, not a directory", p, kind)
		case ok:
			return m, nil // what is above a directory are directories
		}
	}
}

// parents makes the directories that a layer does not list.
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

// mark notes that the layer made what is at a path.
func (r *layerReader) mark(name string) {
	r.own[name] = true
	for p := path.Dir(name); p != "." && !r.above[p]; p = path.Dir(p) {
		r.above[p] = true
	}
}

// whiteout removes what lower layers have; in any order with what this layer
// adds.
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

// hide removes a path but for what the layer itself made of it.
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

// node makes the node of an entry; nil if it only changed what was there.
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
		m.Mode = 0o777 // whatever the archive says: no file system has another
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
// Upstream: layers and archives are unpacked to overlays. A device 0/0 hides what a
// layer has below it. As it cannot be made where an overlay is mounted, an archive
// that has one is refused there.
func (r *layerReader) charDevice(name string, n *Node) (*Node, error) {
	switch {
	case !n.IsWhiteout():
		return n, nil
	case r.opt.OnOverlay:
		return nil, fmt.Errorf("make device 0/0: %w (overlay file systems take it for a deleted file)", syscall.EPERM)
	}
	return nil, r.e.Remove(name)
}

// link makes a second name of a file of the tree. The values of the entry are
// those of the file then, under all names that the layer gave it.
func (r *layerReader) link(name, target string, m Meta) (*Node, error) {
	dir, base := path.Split(clean(target))
	dir, err := r.e.Resolve(dir, true)
	if err != nil {
		return nil, err
	}
	first := path.Join(dir, base)
	if err := r.e.Remove(name); err != nil {
		return nil, err // the link comes in place of it, so it is no link of itself
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
