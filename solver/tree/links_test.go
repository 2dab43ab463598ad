package tree

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestLinkedNodes checks that nodes of every kind except directories remain hard links
// in layers, on disk and in the store. Content digests do not depend on hard links.
func TestLinkedNodes(t *testing.T) {
	s := testStore(t)
	m := Meta{Mode: 0o777, UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	link, pipe := NewSymlink(m, "to").WithInode("1"), NewDevice(Fifo, m, Device{}).WithInode("2")
	dir := func(entries ...Entry) *Node {
		t.Helper()
		n, err := NewDir(m, entries)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	root := dir(Entry{"alone", NewSymlink(m, "to")}, Entry{"a", link}, Entry{"b", link}, Entry{"p", pipe}, Entry{"d", dir(Entry{"q", pipe})})
	if apart := dir(Entry{"alone", NewSymlink(m, "to")}, Entry{"a", link}, Entry{"b", link.WithInode("")}, Entry{"p", pipe}, Entry{"d", dir(Entry{"q", pipe})}); apart.Digest() != root.Digest() || apart.ID() == root.ID() {
		t.Error("hard links are part of the content digest, or no part of the id")
	}
	var layer bytes.Buffer
	if err := WriteLayer(t.Context(), &layer, Layer{Upper: root}, s, LayerOptions{}); err != nil {
		t.Fatal(err)
	}
	read, err := ReadLayer(Empty(), &layer, s, ReadOptions{})
	checkLinked(t, "layer", read, err)
	host := t.TempDir()
	if err := WriteDir(t.Context(), host, root, s, HostOptions{Owners: true}); err != nil {
		t.Fatal(err)
	}
	read, err = HostReader{Store: s}.ReadDir(t.Context(), host)
	checkLinked(t, "directory", read, err)
	if err := s.Save(root); err != nil {
		t.Fatal(err)
	}
	read, err = s.Load(root.ID())
	checkLinked(t, "store", read, err)
}

// checkLinked checks which nodes of the tree of TestLinkedNodes are hard links.
func checkLinked(t *testing.T, where string, n *Node, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	inode := func(name string) string { return n.Get(name).Inode() }
	if inode("a") == "" || inode("a") != inode("b") || inode("p") == "" || inode("p") != inode("d/q") || inode("a") == inode("p") || inode("alone") != "" {
		t.Errorf("%s: the inodes are %q", where, strings.Join([]string{inode("a"), inode("b"), inode("p"), inode("d/q"), inode("alone")}, " "))
	}
	if a := n.Get("b"); a.Kind() != Symlink || a.Target() != "to" || a.Meta().Mode != 0o777 {
		t.Errorf("%s: the second link is %+v", where, a)
	}
}

// TestDiffLinks checks that hard links, and attributes that layers do not store, do not
// count as changes.
func TestDiffLinks(t *testing.T) {
	attr := func(list ...Xattr) Meta { return Meta{Mode: 0o644, Xattrs: list} }
	file := NewFile(attr(), Blob{}).WithInode("1")
	for _, tc := range []struct {
		about    string
		to       *Node
		reported bool
	}{
		{"no link", file.WithInode(""), false},
		{"another link", file.WithInode("2"), false},
		{"an attribute", file.WithMeta(attr(Xattr{"user.a", "1"})).WithInode(""), false},
		{"a capability", file.WithMeta(attr(Xattr{Capability, "1"})), true},
		{"another mode", file.WithMeta(Meta{Mode: 0o600}), true},
		{"a symbolic link", NewSymlink(attr(), "to"), true},
		{"a directory", newDir(attr(), nil), true},
	} {
		lower, upper := newDir(attr(), []Entry{{"f", file}}), newDir(attr(), []Entry{{"f", tc.to}})
		if got := !unchanged(lower, upper); got != tc.reported {
			t.Errorf("%s: reported %v, want %v", tc.about, got, tc.reported)
		}
	}
	if !unchanged(newDir(attr(), nil), newDir(attr(Xattr{"user.a", "1"}), nil)) {
		t.Error("an attribute of a directory is a change")
	}
	if unchanged(newDir(attr(), nil), newDir(attr(Xattr{Capability, "1"}), nil)) {
		t.Error("a capability of a directory is no change")
	}
}
