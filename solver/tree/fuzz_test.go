package tree

import (
	"archive/tar"
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// seedLayers returns the layers that fuzzing starts with, in the format of [archive].
func seedLayers() [][]string {
	return [][]string{
		{"a/b x", "a/.wh..wh..opq ", "c = a/b", "d -> ../..", "d/e y", ".wh.c "},
		{"a/b x", "a/b/ dir", "a/b/c y", ".wh.a "},
		{"l -> /a", "l/x y", "a/z = l/x", "a/z char", "l w"},
		{"a = base", "base x", ".wh.a ", "b = base", "b y"},
		{"dir/ dir", "dir/sub/.wh.f ", "dir/sub/f z", "loop -> loop", "./base/ dir"},
		{".wh./w"},
		{"c = a/b", "d ", "c "},
	}
}

// FuzzReadLayer checks that ReadLayer returns an error or a valid tree for arbitrary bytes.
func FuzzReadLayer(f *testing.F) {
	for _, lines := range seedLayers() {
		f.Add(archive(f, lines...).Bytes())
	}
	f.Add([]byte("x"))
	c := newLayerChecker(f)
	f.Fuzz(func(t *testing.T, data []byte) { c.check(t, data) })
}

// FuzzLayerEntries checks that ReadLayer returns an error or a valid tree for an archive of
// arbitrary entries. FuzzReadLayer rarely tests valid entries, because tar headers have
// checksums.
func FuzzLayerEntries(f *testing.F) {
	for _, lines := range seedLayers() {
		f.Add(strings.Join(lines, "\n"))
	}
	c := newLayerChecker(f)
	f.Fuzz(func(t *testing.T, text string) {
		var buf bytes.Buffer
		w := tar.NewWriter(&buf)
		for line := range strings.SplitSeq(text, "\n") {
			if h, content := entry(line); w.WriteHeader(h) == nil {
				_, _ = w.Write([]byte(content))
			}
		}
		if w.Close() == nil {
			c.check(t, buf.Bytes())
		}
	})
}

// layerChecker checks layers by applying them to an empty tree and to the tree in its
// field lower.
type layerChecker struct {
	store *Store
	lower *Node
}

// newLayerChecker returns a layerChecker. The tree in its field lower contains files,
// links and directories.
func newLayerChecker(f *testing.F) *layerChecker {
	f.Helper()
	s := testStore(f)
	lower, err := ReadLayer(nil, archive(f, "base x", "dir/sub/f x", "a/b x", "link -> dir", "c = base"), s, ReadOptions{})
	if err != nil {
		f.Fatal(err)
	}
	return &layerChecker{s, lower}
}

// check reads data as a layer. If the layer is valid, the resulting tree must not contain a
// name that leads out of it. If a layer can represent the tree, check also writes the tree as
// a layer, reads this layer and writes it again, which must yield the same bytes.
func (c *layerChecker) check(t *testing.T, data []byte) {
	for _, base := range []*Node{nil, c.lower} {
		n, err := ReadLayer(base, bytes.NewReader(data), c.store, ReadOptions{Limits: Limits{Bytes: 1 << 20, Files: 1000, Names: 1 << 16}})
		if err != nil {
			continue
		}
		checkInside(t, n, 0)
		if hasWhiteoutName(n) || hasSingleLink(n) {
			continue // a layer cannot represent these trees, as in BuildKit
		}
		var first, second bytes.Buffer
		if WriteLayer(t.Context(), &first, Layer{Lower: base, Upper: n}, c.store, LayerOptions{}) != nil {
			continue // an archive cannot store some metadata
		}
		again, err := ReadLayer(base, bytes.NewReader(first.Bytes()), c.store, ReadOptions{})
		if err != nil {
			t.Fatalf("the written layer cannot be read: %v", err)
		}
		if err := WriteLayer(t.Context(), &second, Layer{Lower: base, Upper: again}, c.store, LayerOptions{}); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("the written layer is read as another tree: %v\ngot\n%s\nwant\n%s", err, list(again), list(n))
		}
	}
}

// hasWhiteoutName reports whether the name of any node in a tree is a whiteout name, such as
// ".wh.a".
func hasWhiteoutName(n *Node) bool {
	return slices.ContainsFunc(must(n.Entries()), func(e Entry) bool {
		return strings.HasPrefix(e.Name, whiteout) || hasWhiteoutName(e.Node)
	})
}

// hasSingleLink reports whether a tree contains a hard link whose inode has no other name,
// because the other names were removed.
func hasSingleLink(n *Node) bool {
	names := map[string]int{}
	var count func(*Node)
	count = func(n *Node) {
		names[n.inode]++
		for _, e := range must(n.Entries()) {
			count(e.Node)
		}
	}
	count(n)
	delete(names, "")
	return slices.Contains(slices.Collect(maps.Values(names)), 1)
}

// checkInside fails the test if a name in a tree is invalid, or if the tree is too deep.
func checkInside(t *testing.T, n *Node, depth int) {
	t.Helper()
	if depth > maxPath {
		t.Fatal("the tree is too deep")
	}
	for _, e := range must(n.Entries()) {
		if !ValidName(e.Name) {
			t.Errorf("the tree has the name %q", e.Name)
		}
		checkInside(t, e.Node, depth+1)
	}
}

// FuzzLoad stores arbitrary bytes as a directory file. Loading it must return an error,
// or a tree that the store can save and load again.
func FuzzLoad(f *testing.F) {
	blob := Blob{Digest: digest.FromString("x"), Size: 1}
	n, err := NewDir(Meta{Mode: 0o755, Xattrs: []Xattr{{"a", "b"}}}, []Entry{
		{"f", NewFile(Meta{Mode: 0o644}, blob).WithInode("i")},
		{"l", NewSymlink(Meta{}, "t")},
		{"p", NewDevice(Fifo, Meta{}, Device{1, 2})},
		{"d", newDir(Meta{}, []Entry{{"s", NewDevice(Socket, Meta{}, Device{})}, {"e", Empty()}})},
	})
	if err != nil {
		f.Fatal(err)
	}
	w := groupWriter{buf: appendString(nil, string(n.encode())), seen: map[digest.Digest]bool{}}
	if err := w.add(n.list); err != nil {
		f.Fatal(err)
	}
	f.Add(w.buf)
	s, err := OpenStore(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		head, err := decodeNode((&decoder{buf: data}).raw())
		if err != nil {
			return
		}
		if err := s.write(s.path("dirs", head.ID()), must(s.codec.compress(data))); err != nil {
			t.Fatal(err)
		}
		n, err := s.Load(head.ID())
		if err != nil {
			return
		}
		if n.ID() != head.ID() {
			t.Errorf("loaded another tree:\n%s", list(n))
		}
		if !head.list.isSmall() {
			return // the groups are missing
		}
		moved := must(n.WithModTime(time.Unix(1, 0)))
		if err := s.Save(moved); err != nil {
			t.Fatal(err)
		}
		if again := must(s.Load(moved.ID())); list(again) != list(n) {
			t.Errorf("loaded\n%swant\n%s", list(again), list(n))
		}
	})
}
