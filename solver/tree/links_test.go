package tree

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestLinkedNodes checks that hard links of symbolic links and pipes are preserved in
// layers, on the host and in the store. The content digest must not depend on them.
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
	if unlinked := dir(Entry{"alone", NewSymlink(m, "to")}, Entry{"a", link}, Entry{"b", link.WithInode("")}, Entry{"p", pipe}, Entry{"d", dir(Entry{"q", pipe})}); unlinked.Digest() != root.Digest() || unlinked.ID() == root.ID() {
		t.Error("hard links affect the content digest, or do not affect the ID")
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

// checkLinked checks that n has the hard links of the tree in [TestLinkedNodes].
func checkLinked(t *testing.T, where string, n *Node, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	inode := func(name string) string { return must(n.Get(name)).Inode() }
	if inode("a") == "" || inode("a") != inode("b") || inode("p") == "" || inode("p") != inode("d/q") || inode("a") == inode("p") || inode("alone") != "" {
		t.Errorf("%s: inodes %q, want a equal to b, p equal to d/q, and none for alone", where, strings.Join([]string{inode("a"), inode("b"), inode("p"), inode("d/q"), inode("alone")}, " "))
	}
	if a := must(n.Get("b")); a.Kind() != Symlink || a.Target() != "to" || a.Meta().Mode != 0o777 {
		t.Errorf("%s: b is %+v, want a symbolic link to \"to\"", where, a)
	}
}

// TestDiffLinks checks that Diff ignores hard links and extended attributes that layers do
// not store.
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
		if got := !must(unchanged(lower, upper)); got != tc.reported {
			t.Errorf("%s: reported %v, want %v", tc.about, got, tc.reported)
		}
	}
	if !must(unchanged(newDir(attr(), nil), newDir(attr(Xattr{"user.a", "1"}), nil))) {
		t.Error("a user attribute of a directory is reported as a change")
	}
	if must(unchanged(newDir(attr(), nil), newDir(attr(Xattr{Capability, "1"}), nil))) {
		t.Error("a capability of a directory is not reported as a change")
	}
}
