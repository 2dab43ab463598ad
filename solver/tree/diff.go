package tree

import (
	"errors"
	"path"
)

// Layer represents a layer of an image by two trees: the files without and with the layer.
type Layer struct{ Lower, Upper *Node }

// Change is one difference between two trees, as reported by [Diff].
type Change struct {
	Path string
	Node *Node // nil if the node was removed
	Old  *Node // nil if the node was added
}

// Diff calls fn for each path at which two trees differ. A directory comes before its
// entries, which are sorted by name. For a removed directory, only the directory itself is
// reported. Either tree may be nil. If fn returns an error, Diff stops and returns it.
//
// Diff ignores the modification times of directories, because they change with every
// entry. It also ignores hard links, and extended attributes that layers do not store.
//
// Upstream: BuildKit compares only the data that a layer stores about a file, too.
func Diff(lower, upper *Node, fn func(Change) error) error {
	return diff("", lower, upper, fn)
}

// diff calls fn for the changes between two nodes, as described for [Diff]. The
// parameter at is the path of both nodes.
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
	return eachName(old, upper.entries, func(name string, l, u *Node) error {
		return diff(path.Join(at, name), l, u, fn)
	})
}

// sameInLayers reports whether a layer stores the same data for the nodes a and b. It
// returns false if one of them is nil or a directory.
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

// sameButTime reports whether the metadata m and o are equal, except for times and for
// extended attributes that layers do not store.
func (m Meta) sameButTime(o Meta) bool {
	o.ModTime = m.ModTime
	if m.capability() == o.capability() {
		o.Xattrs = m.Xattrs
	}
	return m.Equal(o)
}

// capability returns the value of [Capability] in m, the only extended attribute that
// layers store. If it is not set, capability returns "".
func (m Meta) capability() string {
	for _, x := range m.Xattrs {
		if x.Name == Capability {
			return x.Value
		}
	}
	return ""
}

// errChanged is the error with which [unchanged] stops [Diff] at the first change.
var errChanged = errors.New("changed")

// unchanged reports whether two trees are equal according to [Diff].
func unchanged(lower, upper *Node) bool {
	return Diff(lower, upper, func(Change) error { return errChanged }) == nil
}

// eachName calls fn once for each name in the sorted lists a and b, with the nodes that
// have this name. If a list lacks the name, its node is nil.
func eachName(a, b []Entry, fn func(name string, a, b *Node) error) error {
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

// Apply applies the changes between lower and upper to base, as if they were a layer on top
// of base. Nodes that differ in upper replace the nodes of base, and nodes that upper lacks
// are removed. A directory that contains changes gets the metadata of upper, because a
// layer lists the parent directories of changes. Each tree may be nil.
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
	_ = eachName(old, upper.entries, func(name string, l, u *Node) error {
		if !unchanged(l, u) {
			changed[name] = change{node: Apply(base.Child(name), l, u)}
		}
		return nil
	})
	return (&folder{meta: upper.meta, base: base, changes: changed}).freeze()
}
