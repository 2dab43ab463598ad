package tree

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// recent opens the store of the fixture with a list of recently used layers.
func (f locatedFixture) recent() *Store {
	f.Helper()
	s := f.store()
	s.UseRecent(filepath.Join(f.dir, "recent"))
	return s
}

// wantRecent checks the list of recently used layers after SaveRecent of s.
func (f locatedFixture) wantRecent(s *Store, want ...string) {
	f.Helper()
	if err := s.SaveRecent(); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(f.dir, "recent"))
	if got := strings.Split(string(data), "\n"); err != nil || !slices.Equal(got, want) {
		f.Errorf("recently used layers: %q, %v, want %q", got, err, want)
	}
}

// TestRecent checks that a store finds blobs in recently used layers without reading the
// indexes of other layers, and that the list contains the last used layers first.
func TestRecent(t *testing.T) {
	f := newLocated(t)
	for i := range 10 {
		f.layer(f.store(), fmt.Sprintf("unused%d", i), map[string]string{"f": fmt.Sprint(i)})
	}
	s := f.recent()
	wantBlob(t, s, "content of f")
	f.wantRecent(s, "boot/one")

	s = f.recent()
	f.layer(s, "two", map[string]string{"f": "content of two"})
	f.wantRecent(s, "boot/two", "boot/one")

	s = f.recent()
	wantBlob(t, s, "content of f")
	wantBlob(t, s, "content of g")
	if n := len(s.located.indexes); n != 2 {
		t.Errorf("the store has read %d indexes to find blobs in the two most recent layers", n)
	}
	f.wantRecent(s, "boot/one", "boot/two")
	wantBlob(t, s, "7")
	f.wantRecent(s, "boot/one", "boot/unused7", "boot/two")
}

// TestRecentIsHint checks that a list of recently used layers that is wrong neither hides a
// blob nor makes the store read files outside its layer directories.
func TestRecentIsHint(t *testing.T) {
	f := newLocated(t)
	f.layer(f.store(), "two", map[string]string{"h": "content of f"})
	other := newLocated(t)
	other.layer(other.store(), "three", map[string]string{"f": "foreign"})
	foreign, err := filepath.Rel(filepath.Join(f.dir, "layers"), other.at("three"))
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{
		"", "\n", "boot", "boot/none\nboot/two", "boot/one.blobs", "boot/one/d", "/", "..\n../..", "boot/..", "\x00/\x00",
		foreign, other.at("three"), strings.Repeat("boot/one\n", 1000),
	} {
		if err := os.WriteFile(filepath.Join(f.dir, "recent"), []byte(list), 0o600); err != nil {
			t.Fatal(err)
		}
		s := f.recent()
		wantBlob(t, s, "content of g")
		wantBlob(t, s, "content of f")
		if s.Has(blobOf("foreign")) {
			t.Errorf("list %q: the store finds a blob of another directory", list)
		}
		if err := s.SaveRecent(); err != nil {
			t.Errorf("list %q: %v", list, err)
		}
	}
}

// TestRecentDamage checks that a damaged file in a recently used layer is replaced by the same
// blob in a layer that is not in the list.
func TestRecentDamage(t *testing.T) {
	f := newLocated(t)
	f.layer(f.store(), "two", map[string]string{"h": "content of f"})
	if err := os.WriteFile(filepath.Join(f.dir, "recent"), []byte("boot/one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.at("one", "d/f"), []byte("Content of f"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := f.recent()
	wantBlob(t, s, "content of f")
	wantBlob(t, s, "content of g") // in the directory that was renamed
	f.wantRecent(s, "boot/two", "boot/one")
}

// TestRecentLimit checks that the list does not grow without bound.
func TestRecentLimit(t *testing.T) {
	f := newLocated(t)
	s := f.recent()
	for i := range maxRecent + 5 {
		f.layer(s, fmt.Sprintf("l%d", i), map[string]string{"f": fmt.Sprint(i)})
	}
	if err := s.SaveRecent(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(f.dir, "recent"))
	if n := strings.Count(string(data), "\n") + 1; err != nil || n != maxRecent {
		t.Errorf("%d layers, %v, want %d", n, err, maxRecent)
	}
}
