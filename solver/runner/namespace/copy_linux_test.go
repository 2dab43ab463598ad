package namespace

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"slipway/internal/slowtest"
	"slipway/internal/testtree"
	"slipway/solver/runner"
	"slipway/solver/tree"
)

// TestCopies checks that a process in a copy of its trees sees the same files and
// returns the same changes as on overlays.
func TestCopies(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	for _, name := range []string{"ls", "rm", "mkdir", "mv", "ln", "chmod", "touch", "mknod"} {
		w.install(t, "bin/"+name, "/usr/bin/"+name)
	}
	for _, name := range []string{"a", "changed", "dir/a", "dir/b", "gone/a", "moved/a", "same/size", "kept/a", "set/a", "again/a", "linked", "one/f", "one/in/f", "two/f", "two/in/f"} {
		w.write(t, name, 0o640, []byte("old "+name))
	}
	at := time.Unix(1000, 7)
	e := tree.Edit(w.root)
	for _, name := range []string{"dir/a", "dir/b", "moved/a", "same/size", "kept/a", "one/f", "one/in/f", "two/f", "two/in/f"} {
		if err := e.SetMeta(name, tree.Meta{Mode: 0o640, ModTime: at}); err != nil {
			t.Fatal(err)
		}
	}
	link := testtree.Must(w.root.Get("linked")).WithInode("i")
	zero := tree.NewDevice(tree.CharDevice, tree.Meta{Mode: 0o666, ModTime: at, UID: 3}, tree.Device{Major: 1, Minor: 5})
	pipe := tree.NewDevice(tree.Fifo, tree.Meta{Mode: 0o600, ModTime: at, GID: 4}, tree.Device{})
	half := testtree.Must(w.root.Get("set/a")).WithInode("h")
	if err := errors.Join(e.Put("half", half), e.Put("half2", half), e.Put("linked", link), e.Put("linked2", link), e.Put("dir/zero", zero), e.Put("dir/pipe", pipe)); err != nil {
		t.Fatal(err)
	}
	w.root = e.Tree()
	script := `ls -ln --time-style=full-iso /dir /tree /kept/a; echo new > /new; echo more >> /changed; rm -r /gone /dir/b; mv /moved /to
mkdir -p /fresh/dir; echo new > /fresh/dir/f; printf 'new same/size' > /same/size; touch -d @5 /set /same/size; rm -r /again; mkdir /again
mknod /fresh/dir/whiteout c 0 0 2>/dev/null; chmod 600 /dir/a; ln /a /a2; echo x > /cache/f; echo x > /stub/used/f
mv /one /tmp1; mv /two /one; mv /tmp1 /two; echo more >> /half`
	run := func(copies bool, script string) (string, *tree.Node) {
		w.copies = copies
		p := w.process(script)
		p.Mounts = append(p.Mounts,
			runner.Mount{Kind: runner.MountTmpfs, Target: "/kept/m"}, runner.Mount{Kind: runner.MountTmpfs, Target: "/set/m"},
			runner.Mount{Kind: runner.MountTmpfs, Target: "/stub/used"}, runner.Mount{Kind: runner.MountDir, Target: "/cache", HostPath: t.TempDir()},
			runner.Mount{Kind: runner.MountTree, Target: "/tree", Tree: w.root, Layers: p.Mounts[0].Layers, Source: "dir", ReadOnly: true},
		)
		return w.run(t, p)
	}
	wantOut, want := run(false, script)
	out, got := run(true, script)
	if out != wantOut {
		t.Errorf("files in the copy\n%s\nwant\n%s", out, wantOut)
	}
	if g, w := changedPaths(t, w.root, got), changedPaths(t, w.root, want); g != w {
		t.Errorf("changes\n%s\nwant\n%s", g, w)
	}
	for _, name := range []string{"dir/a", "set", "same/size", "kept", "to/a", "fresh/dir/f", "one/f", "one/in/f", "two/f", "two/in/f"} {
		g, w := testtree.Must(got.Get(name)), testtree.Must(want.Get(name))
		if name == "fresh/dir/f" { // a new file
			g, w = g.WithMeta(tree.Meta{}), w.WithMeta(tree.Meta{})
		}
		if !g.Same(w) {
			t.Errorf("%s: %+v, want %+v", name, g, w)
		}
	}
	if testtree.Must(got.Get("linked")).Inode() != "i" || testtree.Must(got.Get("a")).Inode() == "" || testtree.Must(got.Get("a")).Inode() != testtree.Must(got.Get("a2")).Inode() {
		t.Errorf("inodes linked %q, a %q, a2 %q, want i and two equal ones", testtree.Must(got.Get("linked")).Inode(), testtree.Must(got.Get("a")).Inode(), testtree.Must(got.Get("a2")).Inode())
	}
	if _, n := run(true, ":"); !n.Same(w.root) {
		t.Errorf("process without changes: changes %s, want none", changedPaths(t, w.root, n))
	}
}

// TestCopiedRootMode checks that a copied root has mode 0755 if it is writable, like a
// root on an overlay.
func TestCopiedRootMode(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	w.copies = true
	meta := w.root.Meta()
	meta.Mode, meta.ModTime = 0o700, time.Unix(1000, 7)
	w.root = w.root.WithMeta(meta)
	meta.Mode = 0o755
	if _, n := w.run(t, w.process(":")); !n.Meta().Equal(meta) {
		t.Errorf("metadata of the root %+v, want %+v", n.Meta(), meta)
	}
}

// onOverlay makes w use a runner whose state directory is on an overlay, as in a container without
// a volume.
func (w *fixture) onOverlay(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	m := &mount{Lower: []string{dir + "/lower"}, Upper: dir + "/upper", Work: dir + "/work", Merged: dir + "/merged"}
	for _, d := range []string{m.Lower[0], m.Upper, m.Work, m.Merged} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir) // overlay changes the directory
	if err := overlay(m); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(m.Merged, unix.MNT_DETACH) })
	if os.Getenv("TMPDIR") == "" {
		t.Setenv("TMPDIR", m.Merged)
	}
	r, err := New(filepath.Join(m.Merged, "state"), w.store)
	if err != nil {
		t.Fatal(err)
	}
	w.Runner = r
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestStateOnOverlay checks a runner whose state directory is on an overlay, and which finds no
// other one. The runner must copy trees, and return the changes of a step.
func TestStateOnOverlay(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	t.Setenv("TMPDIR", "")
	w.onOverlay(t)
	_, n := w.run(t, w.process("echo x > /f"))
	if got := changedPaths(t, w.root, n); got != "f" || !w.Copies() {
		t.Errorf("changes %q, Copies %v, want f and true", got, w.Copies())
	}
	if w.noDevices {
		return
	}
	e := tree.Edit(w.root)
	if err := e.Put("full", tree.NewDevice(tree.CharDevice, tree.Meta{Mode: 0o666}, tree.Device{Major: 1, Minor: 7})); err != nil {
		t.Fatal(err)
	}
	w.root = e.Tree()
	for _, want := range []string{"there\nopened\n", "there\n"} {
		if out, _ := w.run(t, w.process("test -c /full && echo there; (: < /full) 2>/dev/null && echo opened; :")); out != want {
			t.Errorf("device of the image: output %q, want %q", out, want)
		}
		w.withoutGroups(t)
	}
}

// processOn returns a process that runs a shell script in n, the result of an earlier process.
func (w *fixture) processOn(n *tree.Node, script string) *runner.Process {
	p := w.process(script)
	p.Mounts[0].Tree = n
	p.Mounts[0].Layers = append(p.Mounts[0].Layers, tree.Layer{Lower: w.root, Upper: n}.Ref())
	return p
}

// TestScratch checks a runner whose state directory is on an overlay, but whose directory for
// temporary files is not. Later steps and runners must see the changes of a step, although the
// scratch directory is removed. A scratch directory of a killed runner is removed, too.
func TestScratch(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	w.install(t, "bin/rm", "/usr/bin/rm")
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	w.onOverlay(t)
	_, n := w.run(t, w.process("echo x > /f; echo x > /g"))
	_, again := w.run(t, w.processOn(n, "rm /f; echo y > /g"))
	if got := changedPaths(t, w.root, again); got != "g" || w.Copies() || filepath.Dir(w.Scratch()) != temp {
		t.Errorf("changes %q, Copies %v, scratch directory %s, want g, false and one in %s", got, w.Copies(), w.Scratch(), temp)
	}
	other, err := New(filepath.Dir(filepath.Dir(w.scratch.record)), w.store)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(w.Scratch()); err != nil {
		t.Errorf("another runner removes the scratch directory: %v", err)
	}
	if err := w.scratch.lock.Unlock(); err != nil { // as if the first runner had been killed
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if other, err = New(filepath.Dir(filepath.Dir(w.scratch.record)), w.store); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(w.Scratch()); err == nil {
		t.Error("the scratch directory of a killed runner still exists")
	}
	w.Runner = other
	if out, _ := w.run(t, w.processOn(again, "read x < /g; echo $x")); out != "y\n" {
		t.Errorf("the next runner sees %q, want %q", out, "y\n")
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestOverlayRefused checks a state directory whose file system cannot hold an upper
// directory. The error must say what the user can do.
func TestOverlayRefused(t *testing.T) {
	dir := t.TempDir()
	m := &mount{Lower: []string{dir + "/lower"}, Upper: dir + "/upper", Work: "/proc/self", Merged: dir + "/merged"}
	for _, d := range []string{m.Lower[0], m.Upper, m.Merged} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	const want = "state directory: its file system cannot hold an overlay: invalid argument (use a directory on another file system, --state DIR)"
	if err := overlay(m); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
