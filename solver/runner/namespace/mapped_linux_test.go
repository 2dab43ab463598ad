//go:build !arm

package namespace

import (
	"fmt"
	"io"
	"testing"

	"golang.org/x/sys/unix"

	"slipway/internal/slowtest"
	"slipway/internal/testtree"
)

// TestCopiesOnTmpfs checks that the result contains a change through a mapping if the copy is on
// tmpfs, which does not record such changes.
func TestCopiesOnTmpfs(t *testing.T) {
	slowtest.Skip(t, "starts processes")
	w := newFixture(t)
	w.install(t, "bin/perl", "/usr/bin/perl")
	w.write(t, "file", 0o644, []byte("old"))
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	r, err := New(dir, w.store)
	if err != nil {
		t.Fatal(err)
	}
	w.Runner, r.copies = r, true
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	// Reading the page first, by writing it to a pipe, makes it writable unnoticed.
	_, n := w.run(t, w.process(fmt.Sprintf(`perl -e 'open F, "+<", "/file" or die; pipe R, W; pipe S, T; syswrite T, "n";
$p = syscall(%d, 0, 4096, 3, 1, fileno(F), 0); syscall(%d, fileno(W), $p, 1) == 1 or die; syscall(%d, fileno(S), $p, 1) == 1 or die'`, unix.SYS_MMAP, unix.SYS_WRITE, unix.SYS_READ)))
	f := testtree.Must(w.store.Open(testtree.Must(n.Get("file")).Blob()))
	defer f.Close()
	if got := string(testtree.Must(io.ReadAll(f))); got != "nld" {
		t.Errorf("the file has content %q, want nld", got)
	}
}
