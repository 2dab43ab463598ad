package tree

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
)

// Kind is what a node is.
type Kind uint8

// The kinds.
const (
	Dir Kind = iota + 1
	File
	Symlink
	CharDevice
	BlockDevice
	Fifo
	Socket // a step sees sockets of earlier steps; see [Store.StubSockets]
)

func (k Kind) String() string {
	names := [...]string{Dir: "directory", File: "file", Symlink: "symbolic link", CharDevice: "character device", BlockDevice: "block device", Fifo: "pipe", Socket: "socket"}
	if k == 0 || int(k) >= len(names) {
		return fmt.Sprintf("kind %d", uint8(k))
	}
	return names[k]
}

// FileMode returns the type as Go's bits.
//
// Upstream: a socket is told as a file.
func (k Kind) FileMode() fs.FileMode {
	switch k {
	case Dir:
		return fs.ModeDir
	case Symlink:
		return fs.ModeSymlink
	case CharDevice:
		return fs.ModeDevice | fs.ModeCharDevice
	case BlockDevice:
		return fs.ModeDevice
	case Fifo:
		return fs.ModeNamedPipe
	case File, Socket:
	}
	return 0
}

// Meta is what nodes of every kind have.
type Meta struct {
	Mode     uint32 // permissions with setuid, setgid and sticky, as in Unix: 0 to 07777
	UID, GID uint32
	ModTime  time.Time
	Xattrs   []Xattr // extended attributes by name; not changed in place
}

// Xattr is an extended attribute.
type Xattr struct{ Name, Value string }

// Equal tells whether two nodes have the same values, times included.
func (m Meta) Equal(o Meta) bool {
	return m.Mode == o.Mode && m.UID == o.UID && m.GID == o.GID && m.ModTime.Equal(o.ModTime) && slices.Equal(m.Xattrs, o.Xattrs)
}

// WithXattrs returns the attributes with more of them, which replace those of
// the same names.
func (m Meta) WithXattrs(more []Xattr) []Xattr {
	list := slices.Clone(m.Xattrs)
	for _, x := range more {
		i, there := slices.BinarySearchFunc(list, x.Name, func(x Xattr, name string) int { return strings.Compare(x.Name, name) })
		if there {
			list[i] = x
		} else {
			list = slices.Insert(list, i, x)
		}
	}
	return list
}

// Device is the number of a device.
type Device struct{ Major, Minor uint32 }

// Blob names the content of a file.
type Blob struct {
	Digest digest.Digest
	Size   int64 // bytes
}

// Node is a file, or a directory with all that is in it. Nodes never change.
type Node struct {
	kind    Kind
	meta    Meta
	blob    Blob    // File
	linked  bool    // Dir: there are hard links below it
	sockets bool    // Dir: there are sockets below it
	inode   string  // not Dir: nodes of a tree with the same inode, which is not "", are hard links
	target  string  // Symlink
	device  Device  // CharDevice, BlockDevice
	entries []Entry // Dir: by name
	id      digest.Digest
	content *lazyDigest
}

// lazyDigest is a digest that is worked out when someone wants it: of most
// directories nobody does.
type lazyDigest struct {
	once  sync.Once
	value digest.Digest
}

// Entry is a node in a directory.
type Entry struct {
	Name string
	Node *Node
}

func (e Entry) linked() bool { return e.Node.Linked() }

func (e Entry) sockets() bool { return e.Node.sockets || e.Node.kind == Socket }

// NewFile returns a file with that content.
func NewFile(m Meta, b Blob) *Node { return &Node{kind: File, meta: m, blob: b} }

// NewSymlink returns a symbolic link. Its target is free text.
func NewSymlink(m Meta, target string) *Node {
	return &Node{kind: Symlink, meta: m, target: target}
}

// NewDevice returns a device of that kind, a pipe or a socket.
func NewDevice(k Kind, m Meta, d Device) *Node { return &Node{kind: k, meta: m, device: d} }

// NewDir returns a directory with these entries, in any order. Names that are
// empty, "." or "..", that have a slash or a NUL byte, or that are there twice
// are errors.
func NewDir(m Meta, entries []Entry) (*Node, error) {
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	if err := checkNames(entries); err != nil {
		return nil, err
	}
	return newDir(m, entries), nil
}

// checkNames checks entries that are, or should be, in order.
func checkNames(entries []Entry) error {
	for i, e := range entries {
		switch {
		case !ValidName(e.Name):
			return fmt.Errorf("%q cannot be the name of a file", e.Name)
		case i > 0 && entries[i-1].Name == e.Name:
			return fmt.Errorf("%q is there twice", e.Name)
		case i > 0 && entries[i-1].Name > e.Name:
			return fmt.Errorf("%q is not in order", e.Name)
		}
	}
	return nil
}

// newDir takes entries that are in order and valid.
func newDir(m Meta, entries []Entry) *Node {
	n := &Node{kind: Dir, meta: m, entries: entries, content: &lazyDigest{}}
	n.linked, n.sockets = slices.ContainsFunc(entries, Entry.linked), slices.ContainsFunc(entries, Entry.sockets)
	n.id = digest.FromBytes(n.encode(true))
	return n
}

// ValidName reports whether s can be the name of a file in a directory.
func ValidName(s string) bool {
	return s != "" && s != "." && s != ".." && !strings.ContainsAny(s, "/\x00")
}

// Empty returns a tree without files, as scratch is.
func Empty() *Node { return newDir(Meta{Mode: 0o755}, nil) }

// Kind returns what the node is.
func (n *Node) Kind() Kind { return n.kind }

// Meta returns the node's values.
func (n *Node) Meta() Meta { return n.meta }

// Blob returns the content of a file.
func (n *Node) Blob() Blob { return n.blob }

// Inode is the same, and not "", for nodes of a tree that are hard links of each
// other. They are of any kind but directories.
func (n *Node) Inode() string { return n.inode }

// Linked tells whether the node is a hard link, or a directory with one
// somewhere below it.
func (n *Node) Linked() bool { return n.linked || n.inode != "" }

// Target returns where a symbolic link points to.
func (n *Node) Target() string { return n.target }

// Device returns the number of a device.
func (n *Node) Device() Device { return n.device }

// IsWhiteout reports whether n is a character device 0/0, which overlay file systems
// take for a deleted file. No tree of a layer has one: a step would not see it.
func (n *Node) IsWhiteout() bool { return n.kind == CharDevice && n.device == Device{} }

// Entries returns what is in a directory, by name. The slice is not to be
// changed.
func (n *Node) Entries() []Entry { return n.entries }

// Child returns the node of that name in a directory; nil if there is none.
func (n *Node) Child(name string) *Node {
	i, ok := slices.BinarySearchFunc(n.entries, name, func(e Entry, name string) int { return cmp.Compare(e.Name, name) })
	if !ok {
		return nil
	}
	return n.entries[i].Node
}

// WithMeta returns the node with other values.
func (n *Node) WithMeta(m Meta) *Node {
	if n.meta.Equal(m) {
		return n
	}
	if n.kind == Dir {
		return newDir(m, n.entries)
	}
	c := *n
	c.meta = m
	return &c
}

// MapEntries returns the directory with other values, and with fn of each of its
// entries.
func (n *Node) MapEntries(m Meta, fn func(*Node) *Node) *Node {
	entries := make([]Entry, len(n.entries))
	for i, e := range n.entries {
		entries[i] = Entry{e.Name, fn(e.Node)}
	}
	return newDir(m, entries)
}

// WithModTime returns the tree with t as the modification time of every node.
func (n *Node) WithModTime(t time.Time) *Node {
	m := n.meta
	m.ModTime = t
	if n.kind == Dir {
		return n.MapEntries(m, func(e *Node) *Node { return e.WithModTime(t) })
	}
	return n.WithMeta(m)
}

// NewInode names an inode by where its file comes from: an operation or a tree,
// and a name in it. Files of one tree that are not hard links of each other must
// come from different places, also if one tree was put together of several.
func NewInode(from ...string) string {
	return digest.FromString(strings.Join(from, "\x00")).Encoded()[:16]
}

// Separate returns n with other hard links: files that were links of each other
// still are, but not of the files in n. from is the place that the result is for.
func (n *Node) Separate(from string) *Node {
	switch {
	case !n.Linked():
		return n
	case n.kind == Dir:
		return n.MapEntries(n.meta, func(e *Node) *Node { return e.Separate(from) })
	}
	return n.WithInode(NewInode(from, n.inode))
}

// WithInode returns the node as one of the hard links of that inode. If it is "",
// the node has no other name.
func (n *Node) WithInode(inode string) *Node {
	if n.inode == inode {
		return n
	}
	c := *n
	c.inode = inode
	return &c
}

// Same tells whether two nodes agree in everything, for directories in all that
// is below them.
func (n *Node) Same(o *Node) bool {
	switch {
	case n == o:
		return true
	case n == nil || o == nil || n.kind != o.kind:
		return false
	case n.kind == Dir:
		return n.id == o.id
	}
	return n.blob == o.blob && n.inode == o.inode && n.target == o.target && n.device == o.device && n.meta.Equal(o.meta)
}
