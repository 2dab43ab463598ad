package tree

import (
	"archive/tar"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
)

// node converts the archive entry e to a node, which the caller inserts into the tree.
// The parameter name is the path of the entry in the tree. If the entry only changes or
// deletes existing nodes, node returns nil.
func (r *layerReader) node(e layerEntry, name string) (*Node, error) {
	h := e.Header
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
		b, err := e.content.wait()
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
