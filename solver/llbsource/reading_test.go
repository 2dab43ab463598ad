package llbsource

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"slipway/solver/tree"
)

// TestReread checks that an earlier Reading is used only while the index lists all of its files.
func TestReread(t *testing.T) {
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "index")
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	later := func() time.Time { return time.Now().Add(time.Hour) } // all files are older than a tick of the clock
	index := OpenIndex(file, later)
	s := &Sources{Store: store, Files: index}
	reread := func(x *Index, earlier *Reading) *Reading {
		t.Helper()
		r, err := s.reread(t.Context(), "context", dir, x, earlier)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	unsaved := reread(index, nil)
	if reread(index, unsaved) == unsaved {
		t.Error("the entries of the index are not saved, but the Reading is used")
	}
	if err := index.Save(); err != nil {
		t.Fatal(err)
	}
	r := reread(index, nil)
	if reread(index, r) != r || reread(OpenIndex(file, later), r) != r {
		t.Error("the Reading is not used with an equal index")
	}
	if reread(nil, r) == r {
		t.Error("the Reading is used without an index")
	}
	if fresh := reread(OpenIndex(filepath.Join(t.TempDir(), "index"), time.Now), nil); fresh.index != (indexVersion{}) {
		t.Error("the Reading has the version of an empty index")
	}
	if err := OpenIndex(file, later).Keep(func(tree.Blob) bool { return false }); err != nil {
		t.Fatal(err)
	}
	if reread(OpenIndex(file, later), r) == r {
		t.Error("the Reading is used although the content of its files is removed")
	}
}
