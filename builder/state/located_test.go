package state_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"slipway/builder/state"
	"slipway/solver"
	"slipway/solver/diskcache"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// The sizes in bytes of the files in the layer that newLayer writes.
const usedSize, unusedSize = 100_000, 30_000

// newLayer returns a state directory with one layer that a step wrote. The layer contains two
// files. A cache record refers to only one of the files, and used is the blob of this file.
func newLayer(t *testing.T) (dir string, used tree.Blob) {
	t.Helper()
	dir = t.TempDir()
	d := open(t, dir)
	layer := filepath.Join(d.Namespace(), "layers", "boot", "0123456789abcdef")
	if err := os.MkdirAll(layer, 0o700); err != nil {
		t.Fatal(err)
	}
	var list []tree.Location
	for name, size := range map[string]int{"used": usedSize, "unused": unusedSize} {
		data := strings.Repeat(name[:1], size)
		if err := os.WriteFile(filepath.Join(layer, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		list = append(list, tree.Location{Blob: tree.Blob{Digest: digest.FromString(data), Size: int64(size)}, Path: name})
	}
	if err := d.Store.Locate(layer, list); err != nil {
		t.Fatal(err)
	}
	used = list[slices.IndexFunc(list, func(l tree.Location) bool { return l.Path == "used" })].Blob
	e := tree.Edit(tree.Empty())
	if err := e.Put("used", tree.NewFile(tree.Meta{Mode: 0o644}, used)); err != nil {
		t.Fatal(err)
	}
	var base *snapshot.Snapshot
	out := solver.CacheEntry{Outputs: []*snapshot.Snapshot{base.With(e.Tree())}}
	if err := d.Cache.Put(t.Context(), digest.FromString("step"), solver.Origin{Name: "step"}, out); err != nil {
		t.Fatal(err)
	}
	return dir, used
}

// open opens the state directory at the path dir.
func open(t *testing.T, dir string) *state.Dir {
	t.Helper()
	d, err := state.Open(dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// has reports whether the store in the state directory dir has an intact blob b.
func has(t *testing.T, dir string, b tree.Blob) bool {
	t.Helper()
	f, err := open(t, dir).Store.Open(b)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// sizes returns the sizes of the entries of a state directory by kind.
func sizes(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	list, err := state.Entries(t.Context(), dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, e := range list {
		got[e.Kind] += e.Bytes
	}
	return got
}

// TestPruneLocated prunes the layers of the runner. The prune must retain the content to which
// cache records refer. Before and after the prune, only one entry, the result that refers to
// this content, may include its size.
func TestPruneLocated(t *testing.T) {
	dir, used := newLayer(t)
	for range 2 {
		got := sizes(t, dir)
		if n := got[diskcache.KindResult]; n < usedSize || n > usedSize+2000 {
			t.Errorf("the result has %d bytes, want about %d", n, usedSize)
		}
		if n := got[state.KindInternal]; n > unusedSize+2000 {
			t.Errorf("internal data has %d bytes, want about %d", n, unusedSize)
		}
		if _, err := state.Prune(t.Context(), dir, time.Now, state.PruneOptions{Kinds: []string{state.KindInternal}}); err != nil {
			t.Fatal(err)
		}
		if !has(t, dir, used) {
			t.Fatal("the content of a result was lost")
		}
	}
	d := open(t, dir)
	if _, err := os.Stat(d.Namespace()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("directory of layers: %v, want that it was removed", err)
	}
	if n := tree.DiskSize(t.Context(), filepath.Join(dir, "store", "blobs")); n != usedSize {
		t.Errorf("blobs of %d bytes, want %d", n, usedSize)
	}
}

// TestPruneResultOfLayer checks that pruning a result frees the disk space of its files in a
// layer of the runner.
func TestPruneResultOfLayer(t *testing.T) {
	dir, used := newLayer(t)
	removed, err := state.Prune(t.Context(), dir, time.Now, state.PruneOptions{Kinds: []string{diskcache.KindResult}})
	if err != nil || len(removed) != 1 || removed[0].Bytes < usedSize {
		t.Errorf("removed %v, %v, want the result", removed, err)
	}
	if has(t, dir, used) {
		t.Error("the content still exists")
	}
	if n := tree.DiskSize(t.Context(), dir); n > 2000 {
		t.Errorf("%d bytes remain, want almost none", n)
	}
}

// TestKilledPruneOfLayers checks that a prune that is killed after it renamed the runner's
// directory loses no content of the layers in this directory.
func TestKilledPruneOfLayers(t *testing.T) {
	dir, used := newLayer(t)
	d := open(t, dir)
	if err := os.Rename(d.Namespace(), d.Namespace()+".gone"); err != nil {
		t.Fatal(err)
	}
	if !has(t, dir, used) {
		t.Error("the content was lost before the next build")
	}
	release, err := d.Hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	release()
	if _, err := os.Stat(d.Namespace() + ".gone"); !errors.Is(err, os.ErrNotExist) || !has(t, dir, used) {
		t.Errorf("removed directory: %v, want that it does not exist and its content was not lost", err)
	}
}
