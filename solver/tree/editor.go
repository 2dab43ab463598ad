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

// Editor makes a new tree out of an old one. Its cost is that of what it
// touches. It is for one goroutine.
//
// Paths name nodes as they are: the last part is never followed if it is a
// symbolic link, and neither are the others. [Editor.Resolve] follows them.
type Editor struct {
	root      *folder
	now       func() time.Time // see Touch
	linkSteps *int64           // how many more steps [Editor.Resolve] takes after links; nil is no limit
}

// Touch makes directories get the time that now returns when a name is added to
// them or taken away, as a kernel does. Without it they keep theirs.
func (e *Editor) Touch(now func() time.Time) { e.now = now }

// set changes what a name is.
func (e *Editor) set(f *folder, name string, c change) {
	f.changes[name] = c
	if e.now != nil {
		f.meta.ModTime = e.now().UTC()
	}
}

// folder is a directory that is being changed.
type folder struct {
	meta    Meta
	base    *Node             // the entries that changes do not name
	changes map[string]change // by name
}

// change is what became of a name: a node, a folder, or neither if it is gone.
type change struct {
	node   *Node
	folder *folder
}

// Edit starts from a directory; nil is an empty tree.
func Edit(base *Node) *Editor {
	if base == nil {
		base = Empty()
	}
	return &Editor{root: open(base)}
}

func open(n *Node) *folder { return &folder{meta: n.meta, base: n, changes: map[string]change{}} }

// Tree returns the tree as it is now. The editor can go on.
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

// child returns what a name is now.
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

// at returns the folder of a path, opened for changes. A part that is missing
// or no directory is an error.
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

// parts goes over the parts of a path.
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

// lookup returns what stands at a path, without opening anything.
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

// Get returns the node at a path; nil if there is none.
func (e *Editor) Get(name string) *Node {
	c, ok := e.lookup(name)
	if ok && c.folder != nil {
		return c.folder.freeze()
	}
	return c.node
}

// Stat returns kind and values of the node at a path, and whether there is one.
func (e *Editor) Stat(name string) (Kind, Meta, bool) {
	c, ok := e.lookup(name)
	if !ok {
		return 0, Meta{}, false
	}
	return c.kind(), c.meta(), true
}

// Put puts a node at a path, in place of what is there. The directory that it
// goes into must exist.
func (e *Editor) Put(name string, n *Node) error { return e.put(name, n, e.set) }

// Update puts a node at a path where what was there has changed: the directory
// that it is in has not.
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

// SetMeta changes the values of what is at a path.
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

// Remove removes what is at a path, with all below it. Nothing there is no
// error.
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

// RemoveAllIn removes all that is in a directory.
func (e *Editor) RemoveAllIn(name string) error {
	f, err := e.at(name)
	if err != nil {
		return err
	}
	f.base, f.changes = newDir(f.base.meta, nil), map[string]change{}
	return nil
}

// MkdirAll makes the directories of a path that are missing, all with these
// values, and returns them, outermost first.
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

// Names returns the names in a directory, in order; none if it is no directory.
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

// Resolve follows the symbolic links of a path, its last part only if last is
// set, as a process whose root is the tree would. Parts that do not exist stay
// as they are.
func (e *Editor) Resolve(name string, last bool) (string, error) {
	return resolve(change{folder: e.root}, name, last, e.linkSteps)
}

// Resolve follows the symbolic links of a path in a tree, as
// [Editor.Resolve] does.
func (n *Node) Resolve(name string, last bool) (string, error) {
	return resolve(change{node: n}, name, last, nil)
}

// Get returns the node at a path below a directory; nil if there is none.
func (n *Node) Get(name string) *Node {
	for part := range parts(name) {
		if n == nil || n.kind != Dir {
			return nil
		}
		n = n.Child(part)
	}
	return n
}
