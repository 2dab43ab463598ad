package tree

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestLayerRoundTrip checks for random trees that writing a layer and applying it to the
// lower tree yields the upper tree, and that writing it again yields the same bytes.
func TestLayerRoundTrip(t *testing.T) {
	for seed := range uint64(60) {
		g := newGenerator(t, seed)
		lower := g.tree(4)
		upper := g.change(lower)
		var layer, again bytes.Buffer
		for _, w := range []*bytes.Buffer{&layer, &again} {
			if err := WriteLayer(t.Context(), w, Layer{Lower: lower, Upper: upper}, g.store, LayerOptions{}); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		if !bytes.Equal(layer.Bytes(), again.Bytes()) {
			t.Fatalf("seed %d: two layers of the same trees differ", seed)
		}
		got, err := ReadLayer(lower, &layer, g.store, ReadOptions{})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		// Layers do not list the root.
		if got = got.WithMeta(upper.meta); !normalize(got).Same(normalize(upper)) {
			t.Fatalf("seed %d: got\n%swant\n%s", seed, list(got), list(upper))
		}
	}
}

// normalize returns a copy of a tree without the data that layers do not store: fractions
// of seconds, most extended attributes, and times of directories without changes.
func normalize(n *Node) *Node {
	m := n.meta
	m.ModTime = m.ModTime.Truncate(time.Second)
	m.Xattrs = slices.DeleteFunc(slices.Clone(m.Xattrs), func(x Xattr) bool { return x.Name != Capability })
	if n.kind == Symlink {
		m.Mode = 0o777
	}
	if n.kind != Dir {
		return n.WithMeta(m)
	}
	m.ModTime = time.Time{}
	return must(n.MapEntries(m, func(e *Node) (*Node, error) { return normalize(e), nil }))
}

// TestApply checks Apply with random trees. Applied to the lower tree, the changes must
// yield the upper tree. Applied to another tree, they must add, change and remove the same
// nodes. If there are no changes, Apply must return the base itself.
func TestApply(t *testing.T) {
	for seed := range uint64(60) {
		g := newGenerator(t, seed)
		lower, base := g.tree(4), g.tree(4)
		upper := g.change(lower)
		if got := must(Apply(lower, lower, upper)); !got.Same(upper) {
			t.Fatalf("seed %d: got\n%swant\n%s", seed, list(got), list(upper))
		}
		if got := must(Apply(Empty(), nil, upper)); !got.Same(upper) {
			t.Fatalf("seed %d: on an empty tree got\n%swant\n%s", seed, list(got), list(upper))
		}
		if got := must(Apply(base, lower, lower)); got != base {
			t.Fatalf("seed %d: Apply without changes did not return the base", seed)
		}
		got := must(Apply(base, lower, upper))
		err := Diff(lower, upper, func(c Change) error {
			if c.Path == "" {
				return nil
			}
			n := must(got.Get(c.Path))
			switch {
			case c.Node == nil && n != nil:
				t.Errorf("seed %d: %s still exists, want it removed", seed, c.Path)
			case c.Node != nil && (n == nil || n.kind != c.Node.kind || !n.meta.Equal(c.Node.meta)):
				t.Errorf("seed %d: %s differs from upper", seed, c.Path)
			}
			return nil
		})
		if err != nil || t.Failed() {
			t.Fatalf("seed %d: %v\nbase\n%slower\n%supper\n%sgot\n%s", seed, err, list(base), list(lower), list(upper), list(got))
		}
	}
}

// TestSaveAndLoad checks that saving and loading a random tree yields an equal tree.
func TestSaveAndLoad(t *testing.T) {
	for seed := range uint64(30) {
		g := newGenerator(t, seed)
		n := g.tree(4)
		if err := g.store.Save(n); err != nil {
			t.Fatal(err)
		}
		got, err := g.store.Load(n.ID())
		if err != nil || !got.Same(n) || got.Digest() != n.Digest() {
			t.Fatalf("seed %d: loaded another tree, %v, want\n%s", seed, err, list(n))
		}
	}
}

// TestDigest checks that Digest depends on everything except times and hard links, and
// that ID also depends on times and hard links.
func TestDigest(t *testing.T) {
	s := testStore(t)
	blob, _ := s.PutBytes([]byte("x"))
	dir := func(n *Node) *Node { d, _ := NewDir(Meta{Mode: 0o755}, []Entry{{"f", n}}); return d }
	file := NewFile(Meta{Mode: 0o644}, blob)
	same := []*Node{file.WithMeta(Meta{Mode: 0o644, ModTime: file.meta.ModTime.AddDate(1, 0, 0)}), file.WithInode("i")}
	other := []*Node{
		file.WithMeta(Meta{Mode: 0o600}), file.WithMeta(Meta{Mode: 0o644, UID: 1}), file.WithMeta(Meta{Mode: 0o644, GID: 1}),
		file.WithMeta(Meta{Mode: 0o644, Xattrs: []Xattr{{"a", "b"}}}), NewFile(file.meta, Blob{Size: 1}),
		NewSymlink(file.meta, "x"), NewDevice(Fifo, file.meta, Device{}), Empty(),
	}
	for i, n := range same {
		if n.Digest() != file.Digest() || dir(n).Digest() != dir(file).Digest() {
			t.Errorf("%d: a time or hard link changes the digest", i)
		}
		if dir(n).ID() == dir(file).ID() {
			t.Errorf("%d: a time or hard link does not change the id", i)
		}
	}
	for i, n := range other {
		if n.Digest() == file.Digest() || dir(n).Digest() == dir(file).Digest() {
			t.Errorf("%d: a different node has the same digest", i)
		}
	}
}

// TestResolve checks that Resolve follows symbolic links inside the tree, never leaves the
// tree, and rejects loops. Editors and trees must return the same results.
func TestResolve(t *testing.T) {
	e := Edit(nil)
	for _, l := range [][2]string{{"abs", "/dir/sub"}, {"up", "../../dir"}, {"dir/here", "."}, {"loop", "loop"}, {"a", "b"}, {"b", "a"}, {"dangling", "dir/none/x"}} {
		if _, err := e.MkdirAll("dir/sub", Meta{Mode: 0o755}); err != nil {
			t.Fatal(err)
		}
		if err := e.Put(l[0], NewSymlink(Meta{Mode: 0o777}, l[1])); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name string
		last bool
		want string
	}{
		{"", true, ""},
		{"/", true, ""},
		{"../..", true, ""},
		{"abs", false, "abs"},
		{"abs/", false, "abs"},
		{"abs", true, "dir/sub"},
		{"abs/x", false, "dir/sub/x"},
		{"abs/../x", true, "dir/x"},
		{"up/sub", true, "dir/sub"},
		{"dir/here/here/sub", true, "dir/sub"},
		{"dangling/y", true, "dir/none/x/y"},
		{"none/../x", true, "x"},
	} {
		for _, r := range []interface {
			Resolve(string, bool) (string, error)
		}{e, e.Tree()} {
			if got, err := r.Resolve(tc.name, tc.last); got != tc.want || err != nil {
				t.Errorf("%q, %v: %q, %v; want %q", tc.name, tc.last, got, err, tc.want)
			}
		}
	}
	for _, name := range []string{"loop", "a", "loop/x"} {
		if _, err := e.Resolve(name, true); !errors.Is(err, errLoop) {
			t.Errorf("%q: error %v, want %v", name, err, errLoop)
		}
	}
}

// TestEditor checks the methods of Editor, their errors, and that changes do not affect
// earlier trees.
func TestEditor(t *testing.T) {
	e := Edit(nil)
	file := NewFile(Meta{Mode: 0o644}, Blob{Digest: "sha256:" + Blob{}.Digest, Size: 0})
	if err := e.Put("no/file", file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file in a missing directory: error %v, want %v", err, fs.ErrNotExist)
	}
	created, err := e.MkdirAll("a/b/c", Meta{Mode: 0o700})
	if err != nil || strings.Join(created, " ") != "a a/b a/b/c" {
		t.Errorf("MkdirAll created %q, %v, want a, a/b and a/b/c", created, err)
	}
	if err := e.Put("a/f", file); err != nil {
		t.Fatal(err)
	}
	if _, err := e.MkdirAll("a/f/g", Meta{}); !errors.Is(err, errNotDir) {
		t.Errorf("a directory in a file: error %v, want %v", err, errNotDir)
	}
	before := e.Tree()
	if err := e.Remove("a/b"); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(must(e.Names("a")), " "); got != "f" {
		t.Errorf("names %q, want f", got)
	}
	if must(before.Get("a/b/c")) == nil || must(e.Tree().Get("a/b")) != nil {
		t.Error("Remove changed an earlier tree, or did not change the current one")
	}
	if err := e.RemoveAllIn("a"); err != nil || len(must(must(e.Tree().Get("a")).Entries())) != 0 {
		t.Errorf("the directory is not empty: %v", err)
	}
	if e.Remove("") == nil || e.Put("", file) == nil {
		t.Error("the root was removed or replaced by a file, want errors")
	}
}

// TestDeepShare checks that a change in one directory does not create new nodes for other
// directories.
func TestDeepShare(t *testing.T) {
	g := newGenerator(t, 1)
	base := g.tree(4)
	e := Edit(base)
	if _, err := e.MkdirAll("x/y", Meta{}); err != nil {
		t.Fatal(err)
	}
	for _, old := range must(base.Entries()) {
		if must(e.Tree().Child(old.Name)) != old.Node {
			t.Errorf("%s is a new node, want the same", old.Name)
		}
	}
}

// TestWithModTime checks that WithModTime sets the time of every node and changes nothing
// else.
func TestWithModTime(t *testing.T) {
	at := time.Unix(7, 0).UTC()
	m := Meta{Mode: 0o640, UID: 1, ModTime: time.Unix(3, 0)}
	sub, err := NewDir(m, []Entry{{"f", NewFile(m, Blob{Size: 1}).WithInode("i")}, {"l", NewSymlink(m, "f")}})
	if err != nil {
		t.Fatal(err)
	}
	n, err := NewDir(m, []Entry{{"d", sub}})
	if err != nil {
		t.Fatal(err)
	}
	got := must(n.WithModTime(at))
	for _, name := range []string{"", "d", "d/f", "d/l"} {
		want := m
		want.ModTime = at
		if g := must(got.Get(name)); !g.Meta().Equal(want) || g.Inode() != must(n.Get(name)).Inode() || g.Target() != must(n.Get(name)).Target() {
			t.Errorf("%q: got %+v, want %+v with the same inode and target", name, g.Meta(), want)
		}
	}
	if !must(n.Get("d/f")).Meta().Equal(m) {
		t.Error("WithModTime changed the original tree")
	}
}
