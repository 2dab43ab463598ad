package changes

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"slipway/internal/testtree"
)

// newMark returns a mark in the directory dir, after it has created the files a and b there.
func newMark(t *testing.T, dir string) (m *Mark, a, b string) {
	t.Helper()
	a, b = filepath.Join(dir, "a"), filepath.Join(dir, "b")
	if err := errors.Join(os.WriteFile(a, []byte("a"), 0o600), os.WriteFile(b, []byte("b"), 0o600)); err != nil {
		t.Fatal(err)
	}
	m, err := NewMark(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m, a, b
}

// wantChanges checks which of the files changed according to a mark.
func wantChanges(t *testing.T, m *Mark, want map[string]bool) {
	t.Helper()
	changed := testtree.Must(m.Changes())
	for name, want := range want {
		if got := changed(testtree.Must(os.Lstat(name))); got != want {
			t.Errorf("%s: changed is %t, want %t", name, got, want)
		}
	}
}

// TestChanges checks that exactly the files count as changed that were changed since the mark, even
// if the modification time was set back.
func TestChanges(t *testing.T) {
	m, a, b := newMark(t, t.TempDir())
	wantChanges(t, m, map[string]bool{a: false, b: false})
	old := testtree.Must(os.Lstat(a)).ModTime()
	if err := errors.Join(os.WriteFile(a, []byte("x"), 0o600), os.Chtimes(a, old, old)); err != nil {
		t.Fatal(err)
	}
	wantChanges(t, m, map[string]bool{a: true, b: false})
}

// TestClockSet checks that all files count as changed if the clock was set: if it is earlier than the
// mark, and if the kernel reports that it was set, because it may be later again.
func TestClockSet(t *testing.T) {
	m, a, b := newMark(t, t.TempDir())
	at := m.at
	m.at = at.AddDate(0, 0, 1)
	wantChanges(t, m, map[string]bool{a: true, b: true})
	m.at = at
	wantChanges(t, m, map[string]bool{a: false, b: false})
	if m.clock < 0 {
		t.Fatal("the kernel does not report that the clock is set")
	}
	past := unix.ItimerSpec{Value: unix.Timespec{Sec: 1}} // a read from an expired timer does not fail with EAGAIN either
	if err := unix.TimerfdSettime(m.clock, unix.TFD_TIMER_ABSTIME, &past, nil); err != nil {
		t.Fatal(err)
	}
	wantChanges(t, m, map[string]bool{a: true, b: true})
}

// TestMapped checks that changes through a mapping are found on each file system, although tmpfs does
// not record them. The first access to the mapping is a read, because the kernel notices a first
// access that is a write.
func TestMapped(t *testing.T) {
	shm := t.TempDir()
	if err := unix.Mount("tmpfs", shm, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatalf("this test needs the privileges of root: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(shm, unix.MNT_DETACH) })
	for _, dir := range []string{t.TempDir(), shm} {
		m, a, _ := newMark(t, dir)
		f := testtree.Must(os.OpenFile(a, os.O_RDWR, 0))
		data := testtree.Must(unix.Mmap(int(f.Fd()), 0, 1, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED))
		data[0]++
		if err := errors.Join(unix.Munmap(data), f.Close()); err != nil {
			t.Fatal(err)
		}
		if got := string(testtree.Must(os.ReadFile(a))); got != "b" {
			t.Errorf("%s: content %q, want b", a, got)
		}
		wantChanges(t, m, map[string]bool{a: true})
	}
}

// TestFull checks the error for a full file system.
func TestFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4k"); err != nil {
		t.Fatalf("this test needs the privileges of root: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	if err := os.WriteFile(filepath.Join(dir, "f"), make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewMark(t.Context(), dir); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("error %v, want %v", err, unix.ENOSPC)
	}
}
