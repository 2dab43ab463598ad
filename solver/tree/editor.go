package tree

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Editor derives a new tree from an existing one. Its cost is proportional to the nodes
// it touches. Not safe for concurrent use.
//
// Symbolic links in paths are not followed, neither in the last part nor in the others.
// [Editor.Resolve] follows them.
type Editor struct {
	root      *folder
	now       func() time.Time // see Touch
	linkSteps *int64           // lookups left after links, see resolve; nil is no limit
}

// Touch makes the editor set the modification time of a directory to now() when an
// entry is added, replaced or removed, as a kernel does. By default directories keep
// their times.
func (e *Editor) Touch(now func() time.Time) { e.now = now }

// set records a change of the entry name in f.
func (e *Editor) set(f *folder, name string, c change) {
	f.changes[name] = c
	if e.now != nil {
		f.meta.ModTime = e.now().UTC()
	}
}

// folder is a directory that has been opened for changes.
type folder struct {
	meta    Meta
	base    *Node             // the entries that are not in changes
	changes map[string]change // by name
}

// change is the new state of an entry: a node, a folder, or neither if the entry was
// removed.
type change struct {
	node   *Node
	folder *folder
}

// Edit returns an editor for a directory. If base is nil, it starts from an empty tree.
func Edit(base *Node) *Editor {
	if base == nil {
		base = Empty()
	}
	return &Editor{root: open(base)}
}

func open(n *Node) *folder { return &folder{meta: n.meta, base: n, changes: map[string]change{}} }

// Tree returns the current tree. The editor remains usable.
func (e *Editor) Tree() *Node { return e.root.freeze() }

func (f *folder) freeze() *Node {
	if len(f.changes) == 0 {
		return f.base.WithMeta(f.meta)
	}
	entries := make([]Entry, 0, len(f.base.entries)+len(f.changes))
	for _, old := range f.base.entries {
		if _, changed := f.changes[old.Name]; !changed {
			entries = append(entries, old)
		}
	}
	same := len(entries)
	for name, c := range f.changes {
		if c.folder != nil {
			c.node = c.folder.freeze()
		}
		if c.node != nil {
			entries = append(entries, Entry{name, c.node})
		}
	}
	if len(entries) > same {
		slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	}
	f.base = newDir(f.meta, entries)
	f.changes = map[string]change{}
	return f.base
}

// child returns the current state of an entry, and whether the entry exists.
func (f *folder) child(name string) (change, bool) {
	if c, ok := f.changes[name]; ok {
		return c, c.node != nil || c.folder != nil
	}
	n := f.base.Child(name)
	return change{node: n}, n != nil
}

func (c change) kind() Kind {
	if c.folder != nil {
		return Dir
	}
	return c.node.kind
}

func (c change) meta() Meta {
	if c.folder != nil {
		return c.folder.meta
	}
	return c.node.meta
}

// at returns the folder at a path, opened for changes. It returns an error if a part of
// the path is missing or is not a directory.
func (e *Editor) at(name string) (*folder, error) {
	f := e.root
	for part := range parts(name) {
		c, ok := f.child(part)
		switch {
		case !ok:
			return nil, &fs.PathError{Op: "open", Path: "/" + name, Err: syscall.ENOENT}
		case c.kind() != Dir:
			return nil, &fs.PathError{Op: "open", Path: "/" + name, Err: errNotDir}
		case c.folder == nil:
			c = change{folder: open(c.node)}
			f.changes[part] = c
		}
		f = c.folder
	}
	return f, nil
}

var errNotDir = errors.New("not a directory")

// parts iterates over the parts of a path.
func parts(name string) func(func(string) bool) {
	return func(yield func(string) bool) {
		if name = clean(name); name == "" {
			return
		}
		for p := range strings.SplitSeq(name, "/") {
			if !yield(p) {
				return
			}
		}
	}
}

// lookup returns the current state of a path, without opening folders.
func (e *Editor) lookup(name string) (change, bool) {
	c := change{folder: e.root}
	for part := range parts(name) {
		if c.folder == nil {
			if c.node == nil || c.node.kind != Dir {
				return change{}, false
			}
			c = change{node: c.node.Child(part)}
			continue
		}
		c, _ = c.folder.child(part)
	}
	return c, c.node != nil || c.folder != nil
}

// Get returns the node at a path, or nil if it does not exist.
func (e *Editor) Get(name string) *Node {
	c, ok := e.lookup(name)
	if ok && c.folder != nil {
		return c.folder.freeze()
	}
	return c.node
}

// Stat returns the kind and the metadata of the node at a path, and whether the node
// exists.
func (e *Editor) Stat(name string) (Kind, Meta, bool) {
	c, ok := e.lookup(name)
	if !ok {
		return 0, Meta{}, false
	}
	return c.kind(), c.meta(), true
}

// Put puts a node at a path and replaces an existing node. The parent directory must
// exist.
func (e *Editor) Put(name string, n *Node) error { return e.put(name, n, e.set) }

// Update replaces the node at a path like [Editor.Put], but does not change the time of
// the parent directory: the node was modified in place.
func (e *Editor) Update(name string, n *Node) error {
	return e.put(name, n, func(f *folder, name string, c change) { f.changes[name] = c })
}

func (e *Editor) put(name string, n *Node, set func(*folder, string, change)) error {
	name = clean(name)
	if name == "" {
		if n.kind != Dir {
			return &fs.PathError{Op: "put", Path: "/", Err: errNotDir}
		}
		e.root = open(n)
		return nil
	}
	dir, base := path.Split(name)
	f, err := e.at(dir)
	if err != nil {
		return err
	}
	if !ValidName(base) {
		return fmt.Errorf("%q cannot be the name of a file", base)
	}
	set(f, base, change{node: n})
	return nil
}

// SetMeta changes the metadata of the node at a path.
func (e *Editor) SetMeta(name string, m Meta) error {
	c, ok := e.lookup(name)
	switch {
	case !ok:
		return &fs.PathError{Op: "change", Path: "/" + clean(name), Err: syscall.ENOENT}
	case c.kind() != Dir:
		return e.Update(name, c.node.WithMeta(m))
	}
	f, err := e.at(name)
	if err == nil {
		f.meta = m
	}
	return err
}

// Remove removes the node at a path with everything below it. It is not an error if the
// node does not exist.
func (e *Editor) Remove(name string) error {
	if name = clean(name); name == "" {
		return &fs.PathError{Op: "remove", Path: "/", Err: errors.New("the root stays")}
	}
	if _, ok := e.lookup(name); !ok {
		return nil
	}
	dir, base := path.Split(name)
	f, err := e.at(dir)
	if err == nil {
		e.set(f, base, change{})
	}
	return err
}

// RemoveAllIn removes all entries of a directory.
func (e *Editor) RemoveAllIn(name string) error {
	f, err := e.at(name)
	if err != nil {
		return err
	}
	f.base, f.changes = newDir(f.base.meta, nil), map[string]change{}
	return nil
}

// MkdirAll creates the missing directories of a path, all with the metadata m, and
// returns their paths, outermost first.
func (e *Editor) MkdirAll(name string, m Meta) ([]string, error) {
	var made []string
	name = clean(name)
	f, end := e.root, 0
	for part := range parts(name) {
		at := name[:end+len(part)]
		end = len(at) + len("/")
		c, ok := f.child(part)
		switch {
		case !ok:
			c = change{folder: open(newDir(m, nil))}
			e.set(f, part, c)
			made = append(made, at)
		case c.kind() != Dir:
			return made, &fs.PathError{Op: "mkdir", Path: "/" + at, Err: fmt.Errorf("%w (remove it first, or use another path)", errNotDir)}
		case c.folder == nil:
			c = change{folder: open(c.node)}
			f.changes[part] = c
		}
		f = c.folder
	}
	return made, nil
}

// Names returns the sorted names in a directory. The result is empty if the path is not
// a directory.
func (e *Editor) Names(name string) []string {
	c, ok := e.lookup(name)
	if !ok || c.kind() != Dir {
		return nil
	}
	names := map[string]bool{}
	base := c.node
	if c.folder != nil {
		base = c.folder.base
		for name, ch := range c.folder.changes {
			names[name] = ch.node != nil || ch.folder != nil
		}
	}
	for _, old := range base.entries {
		if _, changed := names[old.Name]; !changed {
			names[old.Name] = true
		}
	}
	maps.DeleteFunc(names, func(_ string, there bool) bool { return !there })
	return slices.Sorted(maps.Keys(names))
}

// Resolve follows the symbolic links of a path, like a process whose root is the tree.
// It follows a link in the last part only if last is set. Parts that do not exist are
// left as they are.
func (e *Editor) Resolve(name string, last bool) (string, error) {
	return resolve(change{folder: e.root}, name, last, e.linkSteps)
}

// Resolve follows the symbolic links of a path in a tree, like [Editor.Resolve].
func (n *Node) Resolve(name string, last bool) (string, error) {
	return resolve(change{node: n}, name, last, nil)
}

// Get returns the node at a path below a directory, or nil if it does not exist.
func (n *Node) Get(name string) *Node {
	for part := range parts(name) {
		if n == nil || n.kind != Dir {
			return nil
		}
		n = n.Child(part)
	}
	return n
}
