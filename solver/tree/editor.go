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

// Editor derives a new tree from an existing one. Its cost is proportional to the number
// of nodes that change. Not safe for concurrent use.
//
// Its methods do not follow symbolic links in paths, except for [Editor.Resolve]. All of
// them except for [Editor.Tree] return the errors of [Node.Entries] for directories on the
// path.
type Editor struct {
	root      *folder          // its entries are loaded before it is changed
	now       func() time.Time // see Touch; may be nil
	linkSteps *int64           // remaining lookups after symbolic links, see resolve; nil is no limit
}

// Touch makes the editor update modification times as the kernel does. When a directory entry
// is added, replaced or removed, the editor sets the time of the directory to the current
// time, as returned by the function now. Unless Touch is called, directories keep their
// times.
func (e *Editor) Touch(now func() time.Time) { e.now = now }

// set records c as the new state of the entry with the given name in the folder f. If Touch
// was called, it also updates the modification time of the folder.
func (e *Editor) set(f *folder, name string, c change) {
	f.changes[name] = c
	if e.now != nil {
		f.meta.ModTime = e.now().UTC()
	}
}

// folder is a directory in an [Editor] with changes that are not yet part of an immutable
// node.
type folder struct {
	meta    Meta
	base    *Node             // the directory before the changes
	loaded  bool              // whether entries contains the entries of base
	entries []Entry           // entries of base
	changes map[string]change // by name of the entry
}

// change is the state of a directory entry in an editor: an immutable node, or a directory
// that can be changed. If both fields are nil, the entry does not exist.
type change struct {
	node   *Node
	folder *folder
}

// Edit returns an editor for a new tree, which initially equals base. If base is nil, the new
// tree is initially empty.
func Edit(base *Node) *Editor {
	if base == nil {
		base = Empty()
	}
	return &Editor{root: &folder{meta: base.meta, base: base, changes: map[string]change{}}}
}

// open returns a [folder] for the directory n. The folder has no changes yet.
func open(n *Node) (*folder, error) {
	f := &folder{meta: n.meta, base: n, changes: map[string]change{}}
	return f, f.load()
}

// load loads the entries of the base directory, unless they are already loaded.
func (f *folder) load() (err error) {
	if !f.loaded {
		f.entries, err = f.base.Entries()
		f.loaded = err == nil
	}
	return err
}

// Tree returns the current state of the edited tree. Later edits do not affect the result.
func (e *Editor) Tree() *Node { return e.root.freeze() }

// freeze returns an immutable node for the folder f. The node contains all changes in f and
// in the folders below it. If f has changes, its entries must be loaded.
func (f *folder) freeze() *Node {
	if len(f.changes) == 0 {
		return f.base.WithMeta(f.meta)
	}
	entries := make([]Entry, 0, len(f.entries)+len(f.changes))
	for _, old := range f.entries {
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
	f.base, f.entries = newDir(f.meta, entries), entries
	f.changes = map[string]change{}
	return f.base
}

// child returns the current state of the entry with the given name in the folder f, and
// reports whether the entry exists.
func (f *folder) child(name string) (change, bool, error) {
	if c, ok := f.changes[name]; ok {
		return c, c.node != nil || c.folder != nil, nil
	}
	if err := f.load(); err != nil {
		return change{}, false, err
	}
	n := find(f.entries, name)
	return change{node: n}, n != nil, nil
}

// child returns the current state of the entry with the given name in the directory c. If c
// is not a directory, the entry does not exist.
func (c change) child(name string) (change, error) {
	if c.folder != nil {
		sub, _, err := c.folder.child(name)
		return sub, err
	}
	if c.node == nil {
		return change{}, nil
	}
	n, err := c.node.Child(name)
	return change{node: n}, err
}

// kind returns the file type of the entry, which must exist.
func (c change) kind() Kind {
	if c.folder != nil {
		return Dir
	}
	return c.node.kind
}

// meta returns the metadata of the entry, which must exist.
func (c change) meta() Meta {
	if c.folder != nil {
		return c.folder.meta
	}
	return c.node.meta
}

// at returns the folder for the directory at a path, so that its entries can be changed. If a
// part of the path does not exist or is not a directory, it returns an error.
func (e *Editor) at(name string) (*folder, error) {
	f := e.root
	for part := range parts(name) {
		c, ok, err := f.child(part)
		switch {
		case err != nil:
			return nil, err
		case !ok:
			return nil, &fs.PathError{Op: "open", Path: "/" + name, Err: syscall.ENOENT}
		case c.kind() != Dir:
			return nil, &fs.PathError{Op: "open", Path: "/" + name, Err: errNotDir}
		}
		if f, err = f.enter(part, c); err != nil {
			return nil, err
		}
	}
	return f, f.load()
}

// enter returns the folder for c, the state of the directory with the given name in the
// folder f.
func (f *folder) enter(name string, c change) (*folder, error) {
	if c.folder != nil {
		return c.folder, nil
	}
	sub, err := open(c.node)
	if err == nil {
		f.changes[name] = change{folder: sub}
	}
	return sub, err
}

var errNotDir = errors.New("not a directory")

// parts iterates over the parts of a path: "a" and "b" for "/a/./b/".
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

// lookup returns the current state of the file at a path of the edited tree, and reports
// whether the file exists.
func (e *Editor) lookup(name string) (change, bool, error) {
	c := change{folder: e.root}
	for part := range parts(name) {
		var err error
		if c, err = c.child(part); err != nil {
			return change{}, false, err
		}
	}
	return c, c.node != nil || c.folder != nil, nil
}

// Get returns the node at a path, or nil if it does not exist.
func (e *Editor) Get(name string) (*Node, error) {
	c, ok, err := e.lookup(name)
	if ok && c.folder != nil {
		return c.folder.freeze(), nil
	}
	return c.node, err
}

// Stat returns the kind and the metadata of the node at a path. If the node does not
// exist, the kind is 0.
func (e *Editor) Stat(name string) (Kind, Meta, error) {
	c, ok, err := e.lookup(name)
	if !ok {
		return 0, Meta{}, err
	}
	return c.kind(), c.meta(), nil
}

// Put adds a node at a path, or replaces the node at that path. It returns an error if the
// parent directory does not exist.
func (e *Editor) Put(name string, n *Node) error { return e.put(name, n, e.set) }

// Update replaces the node at a path as [Editor.Put] does, but keeps the time of the parent
// directory. Use it for changes that do not affect the parent directory on a real file
// system, such as a change of the mode.
func (e *Editor) Update(name string, n *Node) error {
	return e.put(name, n, func(f *folder, name string, c change) { f.changes[name] = c })
}

// put replaces the node at a path. It calls the function set to record the change in
// the folder of the parent directory.
func (e *Editor) put(name string, n *Node, set func(*folder, string, change)) error {
	name = clean(name)
	if name == "" {
		if n.kind != Dir {
			return &fs.PathError{Op: "put", Path: "/", Err: errNotDir}
		}
		f, err := open(n)
		if err == nil {
			e.root = f
		}
		return err
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

// SetMeta replaces the metadata of the node at a path. It returns an error if the node does
// not exist.
func (e *Editor) SetMeta(name string, m Meta) error {
	c, ok, err := e.lookup(name)
	switch {
	case err != nil:
		return err
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

// Remove removes the node at a path with everything below it. It returns nil if the node
// does not exist, and an error for the root.
func (e *Editor) Remove(name string) error {
	if name = clean(name); name == "" {
		return &fs.PathError{Op: "remove", Path: "/", Err: errors.New("the root cannot be removed")}
	}
	if _, ok, err := e.lookup(name); !ok {
		return err
	}
	dir, base := path.Split(name)
	f, err := e.at(dir)
	if err == nil {
		e.set(f, base, change{})
	}
	return err
}

// RemoveAllIn removes all entries of the directory at a path, but not the directory itself.
func (e *Editor) RemoveAllIn(name string) error {
	f, err := e.at(name)
	if err != nil {
		return err
	}
	f.base, f.entries, f.changes = newDir(f.base.meta, nil), nil, map[string]change{}
	return nil
}

// MkdirAll creates the missing directories on a path, with the metadata m. It returns the
// paths of the created directories, outermost first.
func (e *Editor) MkdirAll(name string, m Meta) ([]string, error) {
	var created []string
	name = clean(name)
	f, end := e.root, 0
	for part := range parts(name) {
		at := name[:end+len(part)]
		end = len(at) + len("/")
		c, ok, err := f.child(part)
		switch {
		case err != nil:
			return created, err
		case !ok:
			c = change{node: newDir(m, nil)}
			e.set(f, part, c)
			created = append(created, at)
		case c.kind() != Dir:
			return created, &fs.PathError{Op: "mkdir", Path: "/" + at, Err: fmt.Errorf("%w (remove it first, or use another path)", errNotDir)}
		}
		if f, err = f.enter(part, c); err != nil {
			return created, err
		}
	}
	return created, nil
}

// Names returns the sorted names of the entries of the directory at a path. If the path does
// not exist or is not a directory, it returns nil.
func (e *Editor) Names(name string) ([]string, error) {
	c, ok, err := e.lookup(name)
	if !ok || c.kind() != Dir {
		return nil, err
	}
	names := map[string]bool{}
	base := c.node
	if c.folder != nil {
		base = c.folder.base
		for name, ch := range c.folder.changes {
			names[name] = ch.node != nil || ch.folder != nil
		}
	}
	entries, err := base.Entries()
	for _, old := range entries {
		if _, changed := names[old.Name]; !changed {
			names[old.Name] = true
		}
	}
	maps.DeleteFunc(names, func(_ string, exists bool) bool { return !exists })
	return slices.Sorted(maps.Keys(names)), err
}

// Resolve returns the path that name leads to if symbolic links are followed, as for a
// process whose root is the tree. If last is false, a link in the last part is not
// followed. Parts that do not exist are kept in the result. It returns an error for more
// than 255 links.
func (e *Editor) Resolve(name string, last bool) (string, error) {
	return resolve(change{folder: e.root}, name, last, e.linkSteps)
}

// Resolve returns the path that name leads to in the tree n, as [Editor.Resolve] does.
func (n *Node) Resolve(name string, last bool) (string, error) {
	return resolve(change{node: n}, name, last, nil)
}

// Get returns the node at a path below a directory, or nil if it does not exist. It returns
// the same errors as [Node.Entries].
func (n *Node) Get(name string) (*Node, error) {
	for part := range parts(name) {
		var err error
		if n, err = n.Child(part); n == nil {
			return nil, err
		}
	}
	return n, nil
}
