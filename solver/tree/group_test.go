package tree

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// wide returns a directory with n subdirectories. Each subdirectory contains the given number
// of files. The sizes of the files differ, so that no two subdirectories are equal.
func wide(n, files int) *Node {
	blob := Blob{Digest: digest.FromString("x")}
	var dirs []Entry
	for i := range n {
		var list []Entry
		for j := range files {
			blob.Size = int64(i*files + j)
			list = append(list, Entry{fmt.Sprintf("file%04d", j), NewFile(Meta{Mode: 0o644}, blob)})
		}
		dirs = append(dirs, Entry{fmt.Sprintf("dir%05d", i), newDir(Meta{Mode: 0o755}, list)})
	}
	return newDir(Meta{Mode: 0o755}, dirs)
}

// put returns a copy of the tree n with an empty file at a path.
func put(t *testing.T, n *Node, name string) *Node {
	t.Helper()
	e := Edit(n)
	if err := e.Put(name, NewFile(Meta{Mode: 0o644}, Blob{Digest: digest.FromString("")})); err != nil {
		t.Fatal(err)
	}
	return e.Tree()
}

// newStore returns an empty store.
func newStore(t *testing.T) *Store {
	t.Helper()
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// files returns the size of each file in which s stores directories. The keys are the names of
// the files, which are IDs.
func files(t *testing.T, s *Store) map[digest.Digest]int64 {
	t.Helper()
	sizes, err := s.Sizes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return sizes.Dirs
}

// TestGroups checks that a tree with 6,000 directories is stored in few files, and that a
// tree with one more file adds few files.
func TestGroups(t *testing.T) {
	s := newStore(t)
	n := newDir(Meta{}, []Entry{{"empty", Empty()}, {"node_modules", wide(6000, 10)}, {"src", wide(3, 3)}})
	if err := s.Save(n); err != nil {
		t.Fatal(err)
	}
	before := files(t, s)
	if len(before) < 50 || len(before) > 250 {
		t.Errorf("%d files, want 50 to 250", len(before))
	}
	for _, tc := range []struct {
		name string
		max  int
	}{{"src/dir00001/new", 3}, {"node_modules/dir03000/new", 4}, {"node_modules/dir0300", 5}, {"empty/new", 3}} {
		if err := s.Save(put(t, n, tc.name)); err != nil {
			t.Fatal(err)
		}
		after := files(t, s)
		if added := len(after) - len(before); added > tc.max {
			t.Errorf("%s adds %d files, want at most %d", tc.name, added, tc.max)
		}
		before = after
	}
	got := must(s.Load(n.ID()))
	if list(got) != list(n) {
		t.Error("another tree is loaded")
	}
}

// TestLazy checks which operations on a loaded tree need the files of its subdirectories.
func TestLazy(t *testing.T) {
	s := newStore(t)
	n := newDir(Meta{}, []Entry{{"a", wide(1000, 10)}, {"b", wide(900, 10)}})
	if err := s.Save(n); err != nil {
		t.Fatal(err)
	}
	for id := range files(t, s) {
		if id != n.ID() {
			if err := os.Remove(s.path("dirs", id)); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := must(s.Load(n.ID()))
	if !got.Same(n) || got.Digest() != n.Digest() || got.ID() != n.ID() {
		t.Error("another tree is loaded")
	}
	a := must(got.Get("a"))
	if m := a.WithMeta(Meta{Mode: 0o700}); m.Meta().Mode != 0o700 || m.Linked() || m.IsEmpty() || a.Digest() != must(n.Get("a")).Digest() {
		t.Errorf("a is %v, want a directory with another mode", m)
	}
	if err := Diff(n, got, func(c Change) error { return fmt.Errorf("%s differs", c.Path) }); err != nil {
		t.Error(err)
	}
	changed := put(t, got, "c")
	if err := Diff(got, changed, func(c Change) error {
		if c.Path != "c" {
			return fmt.Errorf("%s differs", c.Path)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	var blob *BlobError
	for what, fn := range map[string]func() error{
		"Entries":     func() error { _, err := a.Entries(); return err },
		"Child":       func() error { _, err := a.Child("x"); return err },
		"Get":         func() error { _, err := got.Get("a/dir00000/file0000"); return err },
		"Resolve":     func() error { _, err := got.Resolve("a/x", true); return err },
		"WithModTime": func() error { _, err := got.WithModTime(time.Time{}); return err },
		"Put":         func() error { return Edit(got).Put("a/x", Empty()) },
		"MkdirAll":    func() error { _, err := Edit(got).MkdirAll("a/x", Meta{}); return err },
		"Remove":      func() error { return Edit(got).Remove("a/x") },
		"SetMeta":     func() error { return Edit(got).SetMeta("a/x", Meta{}) },
		"Names":       func() error { _, err := Edit(got).Names("a"); return err },
		"Stat":        func() error { _, _, err := Edit(got).Stat("a/x"); return err },
		"Diff":        func() error { return Diff(got, Empty(), func(Change) error { return nil }) },
		"Apply":       func() error { _, err := Apply(must(n.Get("b")), a, must(got.Get("b"))); return err },
		"Groups":      func() error { _, err := a.Groups(); return err },
	} {
		if err := fn(); what != "Diff" && !errors.As(err, &blob) {
			t.Errorf("%s: error %v, want a BlobError", what, err)
		}
	}
	if err := s.Save(n); err != nil {
		t.Fatal(err)
	}
	if list(got) != list(n) {
		t.Error("the tree differs after its files are stored again")
	}
}

// TestDamagedGroup damages each file in which a store keeps a tree. Walking the tree must
// fail. After the tree is saved again, the store must contain all of it.
func TestDamagedGroup(t *testing.T) {
	s := newStore(t)
	n := newDir(Meta{}, []Entry{{"a", wide(300, 5)}, {"b", newDir(Meta{}, []Entry{{"c", wide(200, 6)}})}})
	if err := s.Save(n); err != nil {
		t.Fatal(err)
	}
	want := list(n)
	for id := range files(t, s) {
		name := s.path("dirs", id)
		data := must(os.ReadFile(name))
		for what, bad := range map[string][]byte{"empty": {}, "truncated": data[:len(data)/2], "flipped": flip(data)} {
			if err := os.WriteFile(name, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			err := walkAll(s, n.ID())
			var blob *BlobError
			if !errors.As(err, &blob) || blob.Digest != id {
				t.Fatalf("%s file %s: error %v, want a BlobError for the file", what, id, err)
			}
			if err := s.Save(n); err != nil {
				t.Fatal(err)
			}
			if got := must(s.Load(n.ID())); list(got) != want {
				t.Fatalf("%s file %s: another tree is loaded", what, id)
			}
		}
	}
}

// walkAll loads a tree and all directories below its root.
func walkAll(s *Store, id digest.Digest) error {
	n, err := s.Load(id)
	if err != nil {
		return err
	}
	return n.EachStored(func(digest.Digest) bool { return true }, func(Blob) {})
}

// flip returns a copy of data in which one bit in the middle is flipped.
func flip(data []byte) []byte {
	bad := append([]byte(nil), data...)
	bad[len(bad)/2] ^= 1
	return bad
}

// TestEachStored checks that EachStored visits all files and all blobs of a stored tree. If
// the callback returns false for a file, EachStored must skip the blobs in this file.
func TestEachStored(t *testing.T) {
	s := newStore(t)
	n := newDir(Meta{}, []Entry{{"a", wide(1000, 10)}, {"b", wide(2, 3)}})
	if err := s.Save(n); err != nil {
		t.Fatal(err)
	}
	seen, blobs := map[digest.Digest]bool{}, 0
	if err := n.EachStored(func(id digest.Digest) bool { seen[id] = true; return true }, func(Blob) { blobs++ }); err != nil {
		t.Fatal(err)
	}
	stored := files(t, s)
	for id := range stored {
		if !seen[id] {
			t.Errorf("the file %s is not visited", id)
		}
	}
	if len(seen) != len(stored) || blobs != 10_006 {
		t.Errorf("%d files and %d blobs, want %d and 10006", len(seen), blobs, len(stored))
	}
	blobs = 0
	if err := n.EachStored(func(id digest.Digest) bool { return id == n.ID() }, func(Blob) { blobs++ }); err != nil || blobs != 0 {
		t.Errorf("error %v and %d blobs, want none", err, blobs)
	}
}
