package namespace

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"slipway/solver/tree"
)

// own opens the store anew, but without the runner's layer directories. The returned store
// contains only the blobs in the store's own directory.
func (w *fixture) own(t *testing.T) *tree.Store {
	t.Helper()
	s, err := tree.OpenStore(w.storeDir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// content returns the content of the regular file n, which it reads from the store.
func (w *fixture) content(t *testing.T, n *tree.Node) string {
	t.Helper()
	f, err := w.store.Open(n.Blob())
	if err != nil {
		t.Error(err)
		return ""
	}
	data, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		t.Error(err)
	}
	return string(data)
}

// must returns v. It panics if err is not nil.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// diskUse returns the number of bytes on disk of all files in the given directories.
func diskUse(t *testing.T, dirs ...string) (n int64) {
	t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err == nil && info.Mode().IsRegular() {
				n += info.Sys().(*syscall.Stat_t).Blocks * 512
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// TestContentIsStoredOnce checks that the content of files that a step has written takes disk
// space only once. It also checks a builder that is killed before it writes the index of the
// layer: the store must not find the content, and running the step again must restore it.
func TestContentIsStoredOnce(t *testing.T) {
	w := newFixture(t)
	w.run(t, w.process(":")) // writes the layer of the root
	before := diskUse(t, w.dir, w.storeDir)
	const size = 8 << 20
	script := "echo small > /small; x=0123456789abcdef; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do x=$x$x; done; echo $x > /large"
	_, n := w.run(t, w.process(script))
	layer := w.layerDir(tree.Layer{Lower: w.root, Upper: n}.Ref())
	if got := w.content(t, must(n.Get("large"))); len(got) != size+1 || !strings.HasPrefix(got, "0123456789abcdef0123") {
		t.Errorf("the content has %d bytes", len(got))
	}
	if w.own(t).Has(must(n.Get("large")).Blob()) || !tree.IsLocated(layer) {
		t.Error("the store has a copy, want that the layer is located")
	}
	if got := diskUse(t, w.dir, w.storeDir) - before; got > size*105/100 {
		t.Errorf("%d bytes on disk, want at most 1.05 times %d", got, size)
	}
	if err := os.Remove(layer + ".blobs"); err != nil {
		t.Fatal(err)
	}
	fresh := w.own(t)
	fresh.AddLayers(filepath.Dir(w.layers))
	if fresh.Has(must(n.Get("small")).Blob()) {
		t.Error("the content was found without an index")
	}
	_, n = w.run(t, w.process(script))
	if w.content(t, must(n.Get("small"))) != "small\n" || !fresh.Has(must(n.Get("small")).Blob()) {
		t.Error("the content is missing after the step ran again")
	}
}

// TestContentIsCopied checks that the content of files is copied to the store in two cases:
// if the upper directory does not become a layer directory, and if later processes may be
// unable to open a file in the layer directory.
func TestContentIsCopied(t *testing.T) {
	w := newFixture(t)
	w.addFiles(t, map[string]string{"old/a": "1", "old/sub/c": "3"})
	_, n := w.run(t, w.process("echo replaced > /new; echo changed > /old/a"))
	if w.own(t).Has(must(n.Get("new")).Blob()) {
		t.Error("the content of a layer was copied")
	}
	w.readsAll = false
	_, n = w.run(t, w.process("umask 0277; echo secret > /secret; umask 0222; echo open > /open"))
	if got := w.content(t, must(n.Get("secret"))) + w.content(t, must(n.Get("open"))); got != "secret\nopen\n" {
		t.Errorf("content %q", got)
	}
	c := &upperDir{dir: t.TempDir(), base: w.root, out: n, opaque: map[string]bool{}}
	for name, meta := range map[string]struct {
		mode, uid uint32
		want      bool
	}{
		"a": {0o600, 0, true}, "b": {0o300, 0, false}, "c": {0o600, 5, false}, "d": {0o644, 5, true}, "e": {0o604, 5, false},
	} {
		n := tree.NewFile(tree.Meta{Mode: meta.mode, UID: meta.uid}, tree.Blob{})
		if got := isReadable(n, 0o4); got != meta.want {
			t.Errorf("%s: mode %o of user %d: readable %t, want %t", name, meta.mode, meta.uid, got, meta.want)
		}
	}
	// An upper directory that does not fit, because the step replaced a directory.
	if err := errors.Join(os.MkdirAll(filepath.Join(c.dir, "old"), 0o755), os.WriteFile(filepath.Join(c.dir, "old", "x"), []byte("in a new directory"), 0o644)); err != nil {
		t.Fatal(err)
	}
	read, err := w.readUpper(t.Context(), w.root, c.dir, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	read.opaque["old"] = true
	if w.store.Has(must(read.upper.Get("old/x")).Blob()) {
		t.Error("the content is in the store already")
	}
	if err := w.saveLayer(t.Context(), read); err != nil {
		t.Fatal(err)
	}
	if !w.own(t).Has(must(read.upper.Get("old/x")).Blob()) {
		t.Error("the content was not copied")
	}
}

// TestContentAfterReboot checks that New removes the layers of the previous boot after a
// reboot. Before that, it must move the blobs in them to the store.
func TestContentAfterReboot(t *testing.T) {
	w := newFixture(t)
	_, n := w.run(t, w.process("echo content > /file"))
	old := filepath.Join(filepath.Dir(w.layers), "00000000-0000-0000-0000-000000000000")
	if err := os.Rename(w.layers, old); err != nil {
		t.Fatal(err)
	}
	r, err := New(w.dir, w.own(t))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // nothing was started
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("old layers: %v, want that they were removed", err)
	}
	if !w.own(t).Has(must(n.Get("file")).Blob()) || w.content(t, must(n.Get("file"))) != "content\n" {
		t.Error("the content was lost")
	}
}
