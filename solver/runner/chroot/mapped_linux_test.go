//go:build !arm

package chroot

import (
	"fmt"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"slipway/internal/testtree"
)

// TestMappedWrite checks that the result contains a change through a mapping, even if the state
// directory is on tmpfs, which does not record such changes.
func TestMappedWrite(t *testing.T) {
	w := newFixture(t)
	w.install(t, "bin/perl", testtree.Must(exec.LookPath("perl")))
	w.write(t, "file", 0o644, "old")
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	var err error
	if w.Runner, err = New(dir, w.store, nil); err != nil {
		t.Fatal(err)
	}
	// Reading the page first, by writing it to a pipe, makes it writable unnoticed.
	_, trees := w.mustRun(t, w.process(fmt.Sprintf(`perl -e 'open F, "+<", "/file" or die; pipe R, W; pipe S, T; syswrite T, "n";
$p = syscall(%d, 0, 4096, 3, 1, fileno(F), 0); syscall(%d, fileno(W), $p, 1) == 1 or die; syscall(%d, fileno(S), $p, 1) == 1 or die'`, unix.SYS_MMAP, unix.SYS_WRITE, unix.SYS_READ)))
	if got := w.content(t, trees[0], "file"); got != "nld" {
		t.Errorf("the file has content %q, want nld", got)
	}
}
