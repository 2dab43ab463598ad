package tree

import (
	"errors"
	"path"
)

// Layer is the difference of two trees as a thing of its own.
type Layer struct{ Lower, Upper *Node }

// Change is a difference between two trees.
type Change struct {
	Path string
	Node *Node // nil if what was there is gone
	Old  *Node // nil if nothing was there
}

// Diff calls fn for each node that is different, in the order of paths, a
// directory before what is in it. Below what is gone nothing is reported, and
// what both trees share is not even looked at.
//
// A directory is reported if its own values are different, or if it is new. Its
// time does not count: it says that something in it has changed. Nor do hard links and
// extended attributes that layers do not have.
//
// Upstream: BuildKit compares what a layer has of a file, by its path.
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

// sameInLayers reports whether layers have the same of two nodes that are no
// directories.
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

// sameButTime reports whether layers have the same metadata of two directories, except
// for times.
func (m Meta) sameButTime(o Meta) bool {
	o.ModTime = m.ModTime
	if m.capability() == o.capability() {
		o.Xattrs = m.Xattrs
	}
	return m.Equal(o)
}

// capability returns the value of the attribute that layers have, "" if it is not set.
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

// unchanged tells whether [Diff] finds nothing.
func unchanged(lower, upper *Node) bool {
	return Diff(lower, upper, func(Change) error { return errChanged }) == nil
}

// both walks two lists of entries at once, by name.
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

// Apply makes in base what changes lower into upper, as a layer does that was
// made of the two: what upper adds or changes comes in place of what base has,
// directories are merged, and what upper lacks goes. Directories with changes
// get upper's values, as they are part of the layer.
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
