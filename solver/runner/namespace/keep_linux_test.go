package namespace

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"slipway/internal/slowtest"
	"slipway/internal/testtree"
	"slipway/solver/tree"
)

// addFiles adds files to the root. The map contains the content of each file by its path.
func (w *fixture) addFiles(t *testing.T, files map[string]string) {
	t.Helper()
	e := tree.Edit(w.root)
	for name, data := range files {
		b, err := w.store.PutBytes([]byte(data))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.MkdirAll(filepath.Dir(name), tree.Meta{Mode: 0o755}); err != nil {
			t.Fatal(err)
		}
		if err := e.Put(name, tree.NewFile(tree.Meta{Mode: 0o644}, b)); err != nil {
			t.Fatal(err)
		}
	}
	w.root = e.Tree()
}

// TestKeep checks which upper directories become layer directories. Each of them must equal
// the directory that Runner.layer would write from the trees.
func TestKeep(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	w.addFiles(t, map[string]string{"old/a": "1", "old/b": "2", "old/sub/c": "3"})
	for _, tc := range []struct {
		script, dir string // the directory is created if it does not exist
		isLayer     bool
	}{
		{"echo 1 > /new; echo 2 > /old/a", "/", true},
		{"umask 0; > /empty; > /old/sub/more", "/", true},
		{"> file", "/made/deep", true},
		{":", "/old/made", true},
		{":", "/", false},
	} {
		p := w.process(tc.script)
		p.Dir = tc.dir
		_, n := w.run(t, p)
		l := tree.Layer{Lower: w.root, Upper: n}.Ref()
		saved := w.readLayer(t, w.layerDir(l))
		if (saved != nil) != tc.isLayer {
			t.Errorf("%s: layer exists %t, want %t", tc.script, saved != nil, tc.isLayer)
		}
		if saved == nil {
			continue
		}
		if err := os.RemoveAll(w.layerDir(l)); err != nil {
			t.Fatal(err)
		}
		dir, err := w.layer(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		if written := w.readLayer(t, dir); !saved.Same(written) {
			t.Errorf("%s: paths that differ from the written layer, want none:\n%s", tc.script, diffPaths(written, saved))
		}
	}
}

// TestWritten checks under which conditions an upper directory can become a layer directory.
// It must not hide files of the lower tree by an opaque directory, and must contain all files
// of the layer.
func TestWritten(t *testing.T) {
	dir := func(entries ...tree.Entry) *tree.Node {
		n, err := tree.NewDir(tree.Meta{Mode: 0o755}, entries)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	file := tree.NewFile(tree.Meta{Mode: 0o644}, tree.Blob{Digest: "sha256:0", Size: 1})
	old := dir(tree.Entry{Name: "d", Node: dir(tree.Entry{Name: "f", Node: file})})
	upper := dir(tree.Entry{Name: "d", Node: dir(tree.Entry{Name: "g", Node: file})})
	for _, tc := range []struct {
		name      string
		base, out *tree.Node
		opaque    bool
		want      bool
	}{
		{"a new directory", dir(), upper, true, true},
		{"a replaced directory", old, upper, true, false},
		{"a directory with a new file", old, dir(tree.Entry{Name: "d", Node: dir(tree.Entry{Name: "f", Node: file}, tree.Entry{Name: "g", Node: file})}), false, true},
		{"a directory with another file", dir(), dir(tree.Entry{Name: "d", Node: dir(tree.Entry{Name: "h", Node: file})}), false, false},
	} {
		w := &upperDir{base: tc.base, out: tc.out, upper: upper, opaque: map[string]bool{"d": tc.opaque}}
		if got := testtree.Must(w.fits(tc.base, upper, testtree.Must((&Runner{}).overlayOf(tc.base, tc.out)), "")); got != tc.want {
			t.Errorf("%s: fits %t, want %t", tc.name, got, tc.want)
		}
	}
}

// readLayer returns the content of the layer directory dir, or nil if it does not exist. The
// metadata of an opaque directory includes the opaque attribute.
func (w *fixture) readLayer(t *testing.T, dir string) *tree.Node {
	t.Helper()
	if _, err := os.Stat(dir); err != nil {
		return nil
	}
	n, err := tree.HostReader{Store: w.store, Meta: func(f tree.HostFile) (tree.Meta, error) {
		if f.Opaque {
			f.Meta.Xattrs = append(f.Meta.Xattrs, tree.Xattr{Name: opaqueRoot, Value: "y"})
		}
		return f.Meta, nil
	}}.ReadDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// diffPaths returns the paths that differ between two trees, one per line.
func diffPaths(a, b *tree.Node) string {
	var list strings.Builder
	_ = tree.Diff(a, b, func(c tree.Change) error {
		list.WriteString("/" + c.Path + "\n")
		return nil
	})
	return list.String()
}

// TestRootTime checks that the new upper directory of a mount has the same modification
// time as its parent directory. [Runner.readUpper] uses the parent's time as the
// creation time. If the upper directory were older, it would look as if a step had set
// the time of the root.
func TestRootTime(t *testing.T) {
	w := newFixture(t)
	for range 20 {
		c, err := w.Runner.open(t.Context(), &w.process("").Sandbox)
		if err != nil {
			t.Fatal(err)
		}
		dir, err := os.Stat(filepath.Join(c.work, "0"))
		if err != nil {
			t.Fatal(err)
		}
		upper, err := os.Stat(filepath.Join(c.work, "0", "upper"))
		if err != nil {
			t.Fatal(err)
		}
		if !dir.ModTime().Equal(upper.ModTime()) {
			t.Errorf("modification times %s of the upper directory and %s of its parent, want the same", upper.ModTime(), dir.ModTime())
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKeepOpaque checks that saveLayer removes the opaque mark of a new directory,
// because another lower tree may have entries in that directory. In a user namespace,
// the mark is an attribute that steps can also set. Outside of user namespaces, the
// attribute has no effect.
func TestKeepOpaque(t *testing.T) {
	w := newFixture(t)
	upper := filepath.Join(w.dir, "run", "upper")
	made, steps := filepath.Join(upper, "made"), filepath.Join(upper, "steps")
	mark := opaqueRoot
	if isRootless(t) {
		mark = opaqueUser
	}
	if err := errors.Join(
		os.MkdirAll(made, 0o755), unix.Lsetxattr(made, mark, []byte("y"), 0),
		os.Mkdir(steps, 0o755), unix.Lsetxattr(steps, opaqueUser, []byte("y"), 0),
	); err != nil {
		t.Fatal(err)
	}
	c, err := w.readUpper(t.Context(), w.root, upper, nil, w.store)
	if err != nil {
		t.Fatal(err)
	}
	if !c.opaque["made"] || c.opaque["steps"] != isRootless(t) {
		t.Fatalf("opaque directories %v, want made, and steps in a user namespace only", c.opaque)
	}
	if err := w.saveLayer(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	dir := w.layerDir(tree.Layer{Lower: c.base, Upper: c.out}.Ref())
	if n := w.readLayer(t, dir); n == nil || len(testtree.Must(n.Child("made")).Meta().Xattrs) > 0 {
		t.Error("the layer does not exist or is still marked as opaque")
	}
}

// TestKeepReplaced checks that saveLayer does not follow a link that has replaced a
// directory since the upper directory was read. A step can cause this by passing an
// open directory to a process that outlives the step.
func TestKeepReplaced(t *testing.T) {
	w := newFixture(t)
	upper, outside := filepath.Join(w.dir, "run", "upper"), t.TempDir()
	old := time.Unix(1e9, 0)
	if err := errors.Join(
		os.MkdirAll(filepath.Join(upper, "a", "b", "stub"), 0o755), os.WriteFile(filepath.Join(upper, "a", "b", "file"), nil, 0o644),
		os.Mkdir(filepath.Join(outside, "stub"), 0o755), os.WriteFile(filepath.Join(outside, "stub", "file"), nil, 0o644),
		os.Chtimes(outside, old, old),
	); err != nil {
		t.Fatal(err)
	}
	c, err := w.readUpper(t.Context(), w.root, upper, map[string]bool{"a/b/stub": true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := filepath.Join(upper, "a", "b")
	if err := errors.Join(os.Rename(b, b+".old"), os.Symlink(outside, b)); err != nil {
		t.Fatal(err)
	}
	if err := w.saveLayer(t.Context(), c); err == nil {
		t.Error("saveLayer accepts a replaced directory, want an error")
	}
	if _, err := os.Stat(filepath.Join(outside, "stub", "file")); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(outside); err != nil || !info.ModTime().Equal(old) {
		t.Errorf("directory outside: %v, error %v, want modification time %v", info, err, old)
	}
}
