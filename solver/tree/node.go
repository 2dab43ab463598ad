package tree

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// Kind is the file type of a node.
type Kind uint8

// These are the file types of nodes.
const (
	Dir Kind = iota + 1
	File
	Symlink
	CharDevice
	BlockDevice
	Fifo
	Socket // steps see sockets of earlier steps; see [Store.StubSockets]
)

// String returns the name of the file type for error messages, such as "symbolic link".
func (k Kind) String() string {
	names := [...]string{Dir: "directory", File: "file", Symlink: "symbolic link", CharDevice: "character device", BlockDevice: "block device", Fifo: "pipe", Socket: "socket"}
	if k == 0 || int(k) >= len(names) {
		return fmt.Sprintf("kind %d", uint8(k))
	}
	return names[k]
}

// FileMode returns the type bits of an [fs.FileMode] for the file type k.
//
// Upstream: a socket has the type bits of a regular file.
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

// Meta is the metadata of a file or directory.
type Meta struct {
	Mode     uint32 // Unix permission bits with setuid, setgid and sticky: 0 to 07777
	UID, GID uint32
	ModTime  time.Time
	Xattrs   []Xattr // sorted by name; never modified in place
}

// Xattr is an extended attribute.
type Xattr struct{ Name, Value string }

// Equal reports whether m and o are equal. Times are equal if they are the same instant,
// even in different time zones.
func (m Meta) Equal(o Meta) bool {
	return m.Mode == o.Mode && m.UID == o.UID && m.GID == o.GID && m.ModTime.Equal(o.ModTime) && slices.Equal(m.Xattrs, o.Xattrs)
}

// WithXattrs returns the extended attributes of m with attrs added, sorted by name. An
// attribute in attrs replaces the attribute of m with the same name.
func (m Meta) WithXattrs(attrs []Xattr) []Xattr {
	list := slices.Clone(m.Xattrs)
	for _, x := range attrs {
		i, found := slices.BinarySearchFunc(list, x.Name, func(x Xattr, name string) int { return strings.Compare(x.Name, name) })
		if found {
			list[i] = x
		} else {
			list = slices.Insert(list, i, x)
		}
	}
	return list
}

// Device is the number of a character or block device.
type Device struct{ Major, Minor uint32 }

// Blob identifies the content of a file in a [Store].
type Blob struct {
	Digest digest.Digest
	Size   int64 // bytes
}

// Node is a file, or a directory with everything in it. Nodes are immutable, and therefore
// safe for concurrent use. The entries of a directory from a [Store] are loaded on first
// use.
type Node struct {
	kind   Kind
	meta   Meta
	blob   Blob     // File
	inode  string   // not Dir: nodes of a tree with the same inode are hard links; "" for other nodes
	target string   // Symlink
	device Device   // CharDevice, BlockDevice
	list   *listing // Dir
}

// Entry is a named node in a directory.
type Entry struct {
	Name string
	Node *Node
}

// NewFile returns a regular file whose content is the blob b.
func NewFile(m Meta, b Blob) *Node { return &Node{kind: File, meta: m, blob: b} }

// NewSymlink returns a symbolic link. The target may be any text, and need not exist.
func NewSymlink(m Meta, target string) *Node {
	return &Node{kind: Symlink, meta: m, target: target}
}

// NewDevice returns a node of the kind k: a device, a pipe or a socket. The parameter d is the
// device number. Pipes and sockets ignore it.
func NewDevice(k Kind, m Meta, d Device) *Node { return &Node{kind: k, meta: m, device: d} }

// NewDir returns a directory with entries, which may be in any order. It returns an error if a
// name is duplicate, empty, "." or "..", or contains a slash or a NUL byte.
func NewDir(m Meta, entries []Entry) (*Node, error) {
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	if err := checkNames(entries); err != nil {
		return nil, err
	}
	return newDir(m, entries), nil
}

// checkNames returns an error unless the names of the entries are valid, sorted and unique.
func checkNames(entries []Entry) error {
	for i, e := range entries {
		switch {
		case !ValidName(e.Name):
			return fmt.Errorf("%q cannot be the name of a file", e.Name)
		case i > 0 && entries[i-1].Name == e.Name:
			return fmt.Errorf("duplicate name %q", e.Name)
		case i > 0 && entries[i-1].Name > e.Name:
			return fmt.Errorf("name %q is not in order", e.Name)
		}
	}
	return nil
}

// newDir returns a directory. The entries must be valid, sorted by name and unique.
func newDir(m Meta, entries []Entry) *Node {
	return &Node{kind: Dir, meta: m, list: newListing(entries)}
}

// ValidName reports whether a file in a directory can have the name s. It does not check
// the length.
func ValidName(s string) bool {
	return s != "" && s != "." && s != ".." && !strings.ContainsAny(s, "/\x00")
}

// Empty returns an empty directory with mode 0755, the file tree of FROM scratch.
func Empty() *Node { return newDir(Meta{Mode: 0o755}, nil) }

// Kind returns the file type of the node.
func (n *Node) Kind() Kind { return n.kind }

// Meta returns the node's metadata.
func (n *Node) Meta() Meta { return n.meta }

// Blob returns the content of a regular file. For other kinds, it is zero.
func (n *Node) Blob() Blob { return n.blob }

// Inode returns the inode of the node. Nodes of a tree with the same inode are hard links
// of each other. The inode is "" for directories and for files with one name.
func (n *Node) Inode() string { return n.inode }

// Linked reports whether the node is a hard link, or a directory that contains one at
// any depth.
func (n *Node) Linked() bool { return n.inode != "" || n.kind == Dir && n.list.linked }

// hasSockets reports whether the node is a socket, or a directory that contains one at any
// depth.
func (n *Node) hasSockets() bool { return n.kind == Socket || n.kind == Dir && n.list.sockets }

// Target returns the target of a symbolic link. For other kinds, it is "".
func (n *Node) Target() string { return n.target }

// Device returns the device number of a character or block device. For other kinds, it
// is zero.
func (n *Node) Device() Device { return n.device }

// IsWhiteout reports whether n is a character device 0/0. Overlay file systems interpret
// it as a deleted file, so processes do not see it. [ReadLayer] never returns one.
func (n *Node) IsWhiteout() bool { return n.kind == CharDevice && n.device == Device{} }

// Entries returns the entries of a directory, sorted by name. For a node of another kind, and
// if n is nil, it returns nil. If the store lacks the entries, or if they are damaged, the
// error is a [BlobError]. The caller must not modify the slice.
func (n *Node) Entries() ([]Entry, error) {
	if n == nil || n.kind != Dir {
		return nil, nil
	}
	return n.list.load()
}

// Child returns the node with the given name in a directory, or nil if it does not exist. It
// returns the same errors as [Node.Entries].
func (n *Node) Child(name string) (*Node, error) {
	entries, err := n.Entries()
	return find(entries, name), err
}

// find returns the node of the entry with the given name, or nil if entries contain no such
// entry.
func find(entries []Entry, name string) *Node {
	i, ok := slices.BinarySearchFunc(entries, name, func(e Entry, name string) int { return cmp.Compare(e.Name, name) })
	if !ok {
		return nil
	}
	return entries[i].Node
}

// IsEmpty reports whether the node is a directory without entries.
func (n *Node) IsEmpty() bool { return n.kind == Dir && n.list.id == emptyID }

// WithMeta returns a copy of the node with the metadata m. If the metadata is equal, it
// returns n itself.
func (n *Node) WithMeta(m Meta) *Node {
	if n.meta.Equal(m) {
		return n
	}
	c := *n
	c.meta = m
	return &c
}

// MapEntries returns a copy of the directory with the metadata m. The node of each entry is
// replaced by the result of fn for this node. MapEntries returns the first error of fn, and
// the errors of [Node.Entries].
func (n *Node) MapEntries(m Meta, fn func(*Node) (*Node, error)) (*Node, error) {
	old, err := n.Entries()
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, len(old))
	for i, e := range old {
		if e.Node, err = fn(e.Node); err != nil {
			return nil, err
		}
		entries[i] = e
	}
	return newDir(m, entries), nil
}

// WithModTime returns a copy of the tree in which every node has the modification time t.
// It returns the same errors as [Node.Entries].
func (n *Node) WithModTime(t time.Time) (*Node, error) {
	m := n.meta
	m.ModTime = t
	if n.kind == Dir {
		return n.MapEntries(m, func(e *Node) (*Node, error) { return e.WithModTime(t) })
	}
	return n.WithMeta(m), nil
}

// NewInode returns an inode that is derived from the origin of a file, such as the digest
// of an operation and a path. Files that are not hard links of each other must have
// different origins, because they may become part of one tree.
func NewInode(origin ...string) string {
	return digest.FromString(strings.Join(origin, "\x00")).Encoded()[:16]
}

// Separate returns a copy of n with new inodes, which are derived from origin. Hard links
// in the copy are hard links of each other, but not of the files of n, so that a tree can
// contain both n and the copy. Separate returns the same errors as [Node.Entries].
func (n *Node) Separate(origin string) (*Node, error) {
	switch {
	case !n.Linked():
		return n, nil
	case n.kind == Dir:
		return n.MapEntries(n.meta, func(e *Node) (*Node, error) { return e.Separate(origin) })
	}
	return n.WithInode(NewInode(origin, n.inode)), nil
}

// WithInode returns a copy of the node with the given inode, which makes it a hard link of the
// other nodes with the same inode. If inode is "", the copy is not a hard link.
func (n *Node) WithInode(inode string) *Node {
	if n.inode == inode {
		return n
	}
	c := *n
	c.inode = inode
	return &c
}

// Same reports whether two nodes are equal: kind, content, metadata including times, hard
// links, and everything below directories. Nil is only equal to nil.
func (n *Node) Same(o *Node) bool {
	switch {
	case n == o:
		return true
	case n == nil || o == nil || n.kind != o.kind:
		return false
	case n.kind == Dir:
		return n.list.id == o.list.id && n.meta.Equal(o.meta)
	}
	return n.blob == o.blob && n.inode == o.inode && n.target == o.target && n.device == o.device && n.meta.Equal(o.meta)
}
