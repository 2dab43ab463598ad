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

// Kind is the file type of a node.
type Kind uint8

// The file types of nodes.
const (
	Dir Kind = iota + 1
	File
	Symlink
	CharDevice
	BlockDevice
	Fifo
	Socket // steps see sockets of earlier steps; see [Store.StubSockets]
)

func (k Kind) String() string {
	names := [...]string{Dir: "directory", File: "file", Symlink: "symbolic link", CharDevice: "character device", BlockDevice: "block device", Fifo: "pipe", Socket: "socket"}
	if k == 0 || int(k) >= len(names) {
		return fmt.Sprintf("kind %d", uint8(k))
	}
	return names[k]
}

// FileMode returns the type bits of a [fs.FileMode].
//
// Upstream: a socket is reported as a regular file.
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

// Meta is the metadata that nodes of every kind have.
type Meta struct {
	Mode     uint32 // Unix permission bits with setuid, setgid and sticky: 0 to 07777
	UID, GID uint32
	ModTime  time.Time
	Xattrs   []Xattr // sorted by name; never modified in place
}

// Xattr is an extended attribute.
type Xattr struct{ Name, Value string }

// Equal reports whether m and o are equal, including times.
func (m Meta) Equal(o Meta) bool {
	return m.Mode == o.Mode && m.UID == o.UID && m.GID == o.GID && m.ModTime.Equal(o.ModTime) && slices.Equal(m.Xattrs, o.Xattrs)
}

// WithXattrs returns the attributes of m merged with more. An attribute of more
// replaces the attribute with the same name.
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

// Device is a device number.
type Device struct{ Major, Minor uint32 }

// Blob is the digest and the size of file content.
type Blob struct {
	Digest digest.Digest
	Size   int64 // bytes
}

// Node is a file, or a directory with everything in it. Nodes are immutable.
type Node struct {
	kind    Kind
	meta    Meta
	blob    Blob    // File
	linked  bool    // Dir: contains hard links at any depth
	sockets bool    // Dir: contains sockets at any depth
	inode   string  // not Dir: nodes of a tree with the same inode are hard links; "" for other nodes
	target  string  // Symlink
	device  Device  // CharDevice, BlockDevice
	entries []Entry // Dir: sorted by name
	id      digest.Digest
	content *lazyDigest
}

// lazyDigest is a digest that is computed on first use. Most directories never need it.
type lazyDigest struct {
	once  sync.Once
	value digest.Digest
}

// Entry is a named node in a directory.
type Entry struct {
	Name string
	Node *Node
}

func (e Entry) linked() bool { return e.Node.Linked() }

func (e Entry) sockets() bool { return e.Node.sockets || e.Node.kind == Socket }

// NewFile returns a regular file with the content b.
func NewFile(m Meta, b Blob) *Node { return &Node{kind: File, meta: m, blob: b} }

// NewSymlink returns a symbolic link. The target can be any text.
func NewSymlink(m Meta, target string) *Node {
	return &Node{kind: Symlink, meta: m, target: target}
}

// NewDevice returns a device, a pipe or a socket, depending on k.
func NewDevice(k Kind, m Meta, d Device) *Node { return &Node{kind: k, meta: m, device: d} }

// NewDir returns a directory with these entries, in any order. It returns an error if a
// name is duplicate, empty, "." or "..", or contains a slash or a NUL byte.
func NewDir(m Meta, entries []Entry) (*Node, error) {
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	if err := checkNames(entries); err != nil {
		return nil, err
	}
	return newDir(m, entries), nil
}

// checkNames checks that the names of entries are valid, sorted and unique.
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

// newDir returns a directory. The entries must be valid and sorted.
func newDir(m Meta, entries []Entry) *Node {
	n := &Node{kind: Dir, meta: m, entries: entries, content: &lazyDigest{}}
	n.linked, n.sockets = slices.ContainsFunc(entries, Entry.linked), slices.ContainsFunc(entries, Entry.sockets)
	n.id = digest.FromBytes(n.encode(true))
	return n
}

// ValidName reports whether s is a valid name of a file in a directory.
func ValidName(s string) bool {
	return s != "" && s != "." && s != ".." && !strings.ContainsAny(s, "/\x00")
}

// Empty returns a tree without files, like scratch.
func Empty() *Node { return newDir(Meta{Mode: 0o755}, nil) }

// Kind returns the file type of the node.
func (n *Node) Kind() Kind { return n.kind }

// Meta returns the node's metadata.
func (n *Node) Meta() Meta { return n.meta }

// Blob returns the content of a file.
func (n *Node) Blob() Blob { return n.blob }

// Inode returns the inode of the node, or "". Nodes of a tree with the same inode are
// hard links of each other. Directories have no inode.
func (n *Node) Inode() string { return n.inode }

// Linked reports whether the node is a hard link, or a directory that contains one at
// any depth.
func (n *Node) Linked() bool { return n.linked || n.inode != "" }

// Target returns the target of a symbolic link.
func (n *Node) Target() string { return n.target }

// Device returns the number of a device.
func (n *Node) Device() Device { return n.device }

// IsWhiteout reports whether n is a character device 0/0, which overlay file systems
// interpret as a deleted file. The tree of a layer never contains one, because a step
// would not see it.
func (n *Node) IsWhiteout() bool { return n.kind == CharDevice && n.device == Device{} }

// Entries returns the entries of a directory, sorted by name. The caller must not
// modify the slice.
func (n *Node) Entries() []Entry { return n.entries }

// Child returns the node with that name in a directory, or nil if it does not exist.
func (n *Node) Child(name string) *Node {
	i, ok := slices.BinarySearchFunc(n.entries, name, func(e Entry, name string) int { return cmp.Compare(e.Name, name) })
	if !ok {
		return nil
	}
	return n.entries[i].Node
}

// WithMeta returns the node with the metadata m.
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

// MapEntries returns the directory with the metadata m, and with fn applied to each
// entry.
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

// NewInode returns an inode derived from the origin of a file: an operation or a tree,
// and a name in it. Files of a tree that are not hard links of each other must have
// different origins, even if the tree was assembled from several.
func NewInode(from ...string) string {
	return digest.FromString(strings.Join(from, "\x00")).Encoded()[:16]
}

// Separate returns n with new inodes. Files that were hard links of each other still
// are, but not of the files in n. from identifies the destination of the result.
func (n *Node) Separate(from string) *Node {
	switch {
	case !n.Linked():
		return n
	case n.kind == Dir:
		return n.MapEntries(n.meta, func(e *Node) *Node { return e.Separate(from) })
	}
	return n.WithInode(NewInode(from, n.inode))
}

// WithInode returns the node as a hard link with the given inode. If inode is "", the
// node is not a hard link.
func (n *Node) WithInode(inode string) *Node {
	if n.inode == inode {
		return n
	}
	c := *n
	c.inode = inode
	return &c
}

// Same reports whether two nodes are equal in every respect. Directories are compared
// with everything below them.
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
