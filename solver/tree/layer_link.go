package tree

import (
	"errors"
	"io/fs"
	"path"
	"strconv"
)

// link returns the node for a hard link. The parameter name is the path of the link, and
// target is the path of the existing file. The parameter m is the metadata of the archive
// entry for the link. All names of the file in this layer get this metadata, because they
// share one inode.
func (r *layerReader) link(name, target string, m Meta) (*Node, error) {
	dir, base := path.Split(clean(target))
	dir, err := r.e.Resolve(dir, true)
	if err != nil {
		return nil, err
	}
	first := path.Join(dir, base)
	if err := r.e.Remove(name); err != nil {
		return nil, err // removed before target is looked up, so that a link to itself fails
	}
	n, err := r.e.Get(first)
	switch {
	case err != nil:
		return nil, err
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
	if err := r.updateLinks(first, n); err != nil {
		return nil, err
	}
	r.links[n.inode] = append(r.links[n.inode], name)
	return n, nil
}

// updateLinks replaces the nodes of a hard link with the new node n. It replaces the nodes
// at all names that the file has in the layer. The parameter first is the name to which
// the hard link refers.
func (r *layerReader) updateLinks(first string, n *Node) error {
	for _, other := range r.links[n.inode] {
		old, err := r.e.Get(other)
		if err != nil {
			return err
		}
		if old == nil || other != first && old.inode != n.inode {
			continue
		}
		if err := r.e.Update(other, n); err != nil {
			return err
		}
	}
	return nil
}
