package tree

import (
	"errors"
	"path"
)

// Layer is the difference between two trees, like a layer of an image.
type Layer struct{ Lower, Upper *Node }

// Change is one difference between two trees.
type Change struct {
	Path string
	Node *Node // nil if the node was removed
	Old  *Node // nil if the node was added
}

// Diff calls fn for each node that differs, in the order of paths: a directory comes
// before its entries. It does not descend into removed directories, and it skips
// subtrees that both trees share.
//
// A directory is reported if its metadata differs or if it is new. Its modification
// time is ignored, because it changes with every entry. Hard links and the extended
// attributes that layers do not store are ignored as well.
//
// Upstream: BuildKit compares what a layer stores about a file, by its path.
func Diff(lower, upper *Node, fn func(Change) error) error {
	return diff("", lower, upper, fn)
}

func diff(at string, lower, upper *Node, fn func(Change) error) error {
	if lower.Same(upper) || sameInLayers(lower, upper) {
		return nil
	}
	if upper == nil {
		return fn(Change{Path: at, Old: lower})
	}
	if lower == nil || lower.kind != Dir || upper.kind != Dir || !lower.meta.sameButTime(upper.meta) {
		if err := fn(Change{Path: at, Node: upper, Old: lower}); err != nil {
			return err
		}
	}
	if upper.kind != Dir {
		return nil
	}
	var old []Entry
	if lower != nil && lower.kind == Dir {
		old = lower.entries
	}
	return both(old, upper.entries, func(name string, l, u *Node) error {
		return diff(path.Join(at, name), l, u, fn)
	})
}

// sameInLayers reports whether a layer stores the same data for two nodes. It returns
// false if b is a directory.
func sameInLayers(a, b *Node) bool {
	if a == nil || b == nil || b.kind == Dir {
		return false
	}
	c := *a.WithInode(b.inode)
	if c.meta.capability() == b.meta.capability() {
		c.meta.Xattrs = b.meta.Xattrs
	}
	return c.Same(b)
}

// sameButTime reports whether layers store the same metadata for two directories,
// except for times.
func (m Meta) sameButTime(o Meta) bool {
	o.ModTime = m.ModTime
	if m.capability() == o.capability() {
		o.Xattrs = m.Xattrs
	}
	return m.Equal(o)
}

// capability returns the value of the one extended attribute that layers store, or ""
// if it is not set.
func (m Meta) capability() string {
	for _, x := range m.Xattrs {
		if x.Name == Capability {
			return x.Value
		}
	}
	return ""
}

// errChanged ends a comparison at the first change.
var errChanged = errors.New("changed")

// unchanged reports whether [Diff] finds no change.
func unchanged(lower, upper *Node) bool {
	return Diff(lower, upper, func(Change) error { return errChanged }) == nil
}

// both merges two sorted lists of entries and calls fn once for each name, with nil for
// a missing node.
func both(a, b []Entry, fn func(name string, a, b *Node) error) error {
	for len(a) > 0 || len(b) > 0 {
		var e, f Entry
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Name < b[0].Name:
			e, a = a[0], a[1:]
		case len(a) == 0 || b[0].Name < a[0].Name:
			f, b = b[0], b[1:]
		default:
			e, f, a, b = a[0], b[0], a[1:], b[1:]
		}
		name := e.Name
		if name == "" {
			name = f.Name
		}
		if err := fn(name, e.Node, f.Node); err != nil {
			return err
		}
	}
	return nil
}

// Apply applies the changes between lower and upper to base, like a layer made of the
// two trees. Nodes that upper adds or changes replace nodes of base, directories are
// merged, and nodes that upper lacks are removed. Directories that contain changes get
// the metadata of upper, because a layer lists them.
func Apply(base, lower, upper *Node) *Node {
	switch {
	case unchanged(lower, upper):
		return base
	case base.Same(lower) || upper == nil || upper.kind != Dir || lower != nil && lower.kind != Dir:
		return upper
	case base == nil || base.kind != Dir:
		base = newDir(upper.meta, nil)
	}
	var old []Entry
	if lower != nil {
		old = lower.entries
	}
	changed := map[string]change{}
	_ = both(old, upper.entries, func(name string, l, u *Node) error {
		if !unchanged(l, u) {
			changed[name] = change{node: Apply(base.Child(name), l, u)}
		}
		return nil
	})
	return (&folder{meta: upper.meta, base: base, changes: changed}).freeze()
}
