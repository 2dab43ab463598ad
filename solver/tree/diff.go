package tree

import (
	"cmp"
	"errors"
	"path"
)

// Layer represents a layer of an image by two trees: Lower is the file tree without the layer,
// and Upper the file tree with it.
type Layer struct{ Lower, Upper *Node }

// Change is one difference between two trees, as reported by [Diff].
type Change struct {
	Path string
	Node *Node // nil if the node was removed
	Old  *Node // nil if the node was added
}

// Diff calls fn for each path at which two trees differ. A directory comes before its
// entries, which are sorted by name. For a removed directory, only the directory itself is
// reported. Either tree may be nil. If fn returns an error, Diff stops and returns it. It
// also returns the errors of [Node.Entries].
//
// Diff ignores the modification times of directories, because they change with every
// entry. It also ignores hard links, and extended attributes that layers do not store.
//
// Upstream: BuildKit compares only the data that a layer stores about a file, too.
func Diff(lower, upper *Node, fn func(Change) error) error {
	return diff("", lower, upper, fn)
}

// diff calls fn for the changes between two nodes, as described for [Diff]. The parameter at
// is the path of both nodes.
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
	old, err := lower.Entries()
	if err != nil {
		return err
	}
	entries, err := upper.Entries()
	if err != nil {
		return err
	}
	for _, p := range Pairs(old, entries) {
		if err := diff(path.Join(at, p.Name), p.Lower, p.Upper, fn); err != nil {
			return err
		}
	}
	return nil
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

// errChanged is the error with which the callback in [unchanged] stops [Diff] at the first
// difference.
var errChanged = errors.New("changed")

// unchanged reports whether [Diff] finds no difference between two trees.
func unchanged(lower, upper *Node) (bool, error) {
	err := Diff(lower, upper, func(Change) error { return errChanged })
	if errors.Is(err, errChanged) {
		return false, nil
	}
	return err == nil, err
}

// Contains reports whether the layer adds or changes the file at a path, or a file below it. It does
// not follow symbolic links. It returns the same errors as [Node.Entries].
func (l Layer) Contains(name string) (bool, error) {
	upper, err := l.Upper.Get(name)
	if upper == nil || err != nil {
		return false, err
	}
	lower, err := l.Lower.Get(name)
	if err != nil {
		return false, err
	}
	same, err := unchanged(lower, upper)
	return !same, err
}

// Pair contains the nodes with the same name in two directories. If one directory has no entry
// with this name, its node is nil.
type Pair struct {
	Name         string
	Lower, Upper *Node
}

// Pairs returns one pair for each name in the entries of two directories, sorted by name.
func Pairs(lower, upper []Entry) []Pair {
	list := make([]Pair, 0, max(len(lower), len(upper)))
	for len(lower) > 0 || len(upper) > 0 {
		var p Pair
		order := 0
		switch {
		case len(upper) == 0:
			order = -1
		case len(lower) == 0:
			order = 1
		default:
			order = cmp.Compare(lower[0].Name, upper[0].Name)
		}
		if order <= 0 {
			p.Name, p.Lower, lower = lower[0].Name, lower[0].Node, lower[1:]
		}
		if order >= 0 {
			p.Name, p.Upper, upper = upper[0].Name, upper[0].Node, upper[1:]
		}
		list = append(list, p)
	}
	return list
}

// Apply applies the changes between lower and upper to base, as if they were a layer on top
// of base. Nodes that differ in upper replace the nodes of base, and nodes that upper lacks
// are removed. A directory that contains changes gets the metadata of upper, because a
// layer lists the parent directories of changes. Each tree may be nil. Apply returns the
// errors of [Node.Entries].
func Apply(base, lower, upper *Node) (*Node, error) {
	if same, err := unchanged(lower, upper); same || err != nil {
		return base, err
	}
	switch {
	case base.Same(lower) || upper == nil || upper.kind != Dir || lower != nil && lower.kind != Dir:
		return upper, nil
	case base == nil || base.kind != Dir:
		base = newDir(upper.meta, nil)
	}
	f, err := open(base)
	if err != nil {
		return nil, err
	}
	f.meta = upper.meta
	old, err := lower.Entries()
	if err != nil {
		return nil, err
	}
	entries, err := upper.Entries()
	if err != nil {
		return nil, err
	}
	for _, p := range Pairs(old, entries) {
		same, err := unchanged(p.Lower, p.Upper)
		if err != nil {
			return nil, err
		}
		if same {
			continue
		}
		n, err := Apply(find(f.entries, p.Name), p.Lower, p.Upper)
		if err != nil {
			return nil, err
		}
		f.changes[p.Name] = change{node: n}
	}
	return f.freeze(), nil
}
