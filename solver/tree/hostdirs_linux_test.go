package tree

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"slipway/internal/slowtest"
)

// makeDeep returns the path of a new directory that contains depth nested directories, each
// with the given name. The innermost directory contains a file of 5 bytes.
func makeDeep(t *testing.T, name string, depth int) string {
	t.Helper()
	top := filepath.Join(t.TempDir(), "top")
	if err := os.Mkdir(top, 0o700); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(top, unix.O_PATH, 0)
	for range depth {
		if err != nil {
			break
		}
		var next int
		if err = unix.Mkdirat(fd, name, 0o700); err == nil {
			next, err = unix.Openat(fd, name, unix.O_PATH, 0)
		}
		err = errors.Join(err, unix.Close(fd))
		fd = next
	}
	if err != nil {
		t.Fatal(err)
	}
	file, err := unix.Openat(fd, "file", unix.O_CREAT|unix.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = unix.Write(file, []byte("12345"))
	if err = errors.Join(err, unix.Close(file), unix.Close(fd)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = exec.Command("rm", "-rf", top).Run() }) // os.RemoveAll may fail
	return top
}

// limitFiles allows this process to open only n more files until the test ends.
func limitFiles(t *testing.T, n int) {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	limit := old
	limit.Cur = uint64(len(open) + n)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Error(err)
		}
	})
}

// TestDeepTrees checks that DiskSize and RemoveAll handle trees whose paths are longer than
// the system permits, or which are deeper than the limit of open files.
func TestDeepTrees(t *testing.T) {
	slowtest.Skip(t, "makes deep directories")
	for _, tc := range []struct {
		about, name string
		depth       int
	}{
		{"long", strings.Repeat("a", 200), 30},
		{"deep", "a", 3000},
	} {
		t.Run(tc.about, func(t *testing.T) {
			top := makeDeep(t, tc.name, tc.depth)
			limitFiles(t, maxOpenDirs+10)
			if got := DiskSize(t.Context(), top); got != 5 {
				t.Errorf("size %d, want 5", got)
			}
			if err := RemoveAll(top); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Lstat(top); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s still exists (%v)", top, err)
			}
		})
	}
}

// TestReadDeep checks that ReadDir keeps few files open while it reads a tree whose paths
// have the maximum length, and that it returns a short error for longer paths.
func TestReadDeep(t *testing.T) {
	slowtest.Skip(t, "makes deep directories")
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const depth = (maxPath - len("/file") + 1) / 2
	permitted, long := makeDeep(t, "a", depth), makeDeep(t, "a", depth+1)
	limitFiles(t, maxOpenDirs+10)
	n, err := HostReader{Store: s}.ReadDir(t.Context(), permitted)
	if err != nil {
		t.Fatal(err)
	}
	for range depth {
		n = must(n.Child("a"))
	}
	if f := must(n.Child("file")); f == nil || f.Blob().Size != 5 {
		t.Errorf("the deepest directory has %v, want a file", must(n.Entries()))
	}
	_, err = HostReader{Store: s}.ReadDir(t.Context(), long)
	if err == nil || err.Error() != "/a/…/file: file name too long" {
		t.Errorf("error %v, want /a/…/file: file name too long", err)
	}
}

// TestMovedAway checks that a descent returns an error if another process has moved a
// directory that the descent has entered. The descent must not continue in the new
// parent directory.
func TestMovedAway(t *testing.T) {
	top := makeDeep(t, "a", maxOpenDirs+2)
	elsewhere := t.TempDir()
	d, err := descend(top)
	if err != nil {
		t.Fatal(err)
	}
	for range maxOpenDirs + 2 {
		if err := d.down("a"); err != nil {
			t.Fatal(err)
		}
	}
	// The third directory is the last closed one.
	if err := os.Rename(filepath.Join(top, "a/a/a"), filepath.Join(elsewhere, "a")); err != nil {
		t.Fatal(err)
	}
	for range maxOpenDirs - 1 {
		if err := d.up(); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.up(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("up to another directory: error %v, want %v", err, fs.ErrNotExist)
	}
	if err := d.close(); err != nil {
		t.Error(err)
	}
}

// runAsUser returns true if the test runs as an ordinary user. If it runs as root, runAsUser
// runs the test again in a process of the user nobody, and returns false.
func runAsUser(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		return true
	}
	const user = 65534
	dir, err := os.MkdirTemp("", "") //nolint:usetesting // t.TempDir is for root only
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = exec.Command("rm", "-rf", dir).Run() })
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(dir, "test")
	if err := errors.Join(os.WriteFile(own, program, 0o700), os.Chown(own, user, user), os.Chown(dir, user, user)); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), own, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TMPDIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as user %d: %v\n%s", user, err, out)
	}
	return false
}

// TestUnreadable checks directories that their owner may neither read nor write. DiskSize must
// ignore the files that it cannot reach, and RemoveAll must remove everything.
func TestUnreadable(t *testing.T) {
	if !runAsUser(t) {
		return
	}
	for _, mode := range []fs.FileMode{0, 0o400, 0o100, 0o500} {
		top := makeDeep(t, "a", 70) // more directories than are open at once
		inner := top + strings.Repeat("/a", 68)
		if err := errors.Join(os.WriteFile(filepath.Join(top, "b"), make([]byte, 7), 0o600), os.Chmod(inner, mode)); err != nil {
			t.Fatal(err)
		}
		want := int64(7)
		if mode == 0o500 {
			want += 5
		}
		if got := DiskSize(t.Context(), top); got != want {
			t.Errorf("mode %o: size %d, want %d", mode, got, want)
		}
		if err := RemoveAll(top); err != nil {
			t.Errorf("mode %o: %v", mode, err)
		}
		if _, err := os.Lstat(top); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("mode %o: %s still exists (%v)", mode, top, err)
		}
	}
}

// TestRemoveErrors checks the results of RemoveAll: nil for a file that does not exist, and an
// error with a shortened path for a file that cannot be removed.
func TestRemoveErrors(t *testing.T) {
	if !runAsUser(t) {
		return
	}
	if err := RemoveAll(filepath.Join(t.TempDir(), "none", "none")); err != nil {
		t.Errorf("a file that does not exist: error %v, want nil", err)
	}
	for _, name := range []string{"/proc/self/stat", "/proc/self/task"} {
		if err := RemoveAll(name); err == nil || err.Error() != "remove "+name+": operation not permitted" {
			t.Errorf("error %v, want remove %s: operation not permitted", err, name)
		}
	}
	top := makeDeep(t, "a", 2)
	d, err := descend(filepath.Dir(top))
	if err != nil {
		t.Fatal(err)
	}
	for _, next := range []string{"top", "a", "a"} {
		r := remover{name: "x/top", descent: d}
		want := map[int]string{1: "x/top", 2: "x/top/f", 3: "x/top/…/f"}[len(d.dirs)]
		if r.recordError("f", fs.ErrClosed); r.err.Error() != "remove "+want+": file already closed" {
			t.Errorf("error %v, want %s", r.err, want)
		}
		if err := d.down(next); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.close(); err != nil {
		t.Error(err)
	}
}

// TestRemoveRace checks that RemoveAll neither removes files outside the directory nor
// changes their modes while a directory in it is replaced by a link to the outside.
func TestRemoveRace(t *testing.T) {
	slowtest.Skip(t, "repeats a race")
	if !runAsUser(t) {
		return
	}
	outside, dir := t.TempDir(), t.TempDir()
	outsideFile := filepath.Join(outside, "file")
	if err := errors.Join(os.WriteFile(outsideFile, nil, 0o600), os.Chmod(outside, 0o500)); err != nil { //nolint:gosec // a directory
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(outside, 0o700) }) //nolint:gosec // a directory
	for range 300 {
		top := filepath.Join(dir, "top")
		in := func(name string) string { return filepath.Join(top, name) }
		err := errors.Join(os.Mkdir(top, 0o700), os.MkdirAll(in("d/e"), 0o700), os.Symlink(outside, in("link")), os.Chmod(in("d"), 0))
		if err != nil {
			t.Fatal(err)
		}
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				default:
					_ = unix.Renameat2(unix.AT_FDCWD, in("d"), unix.AT_FDCWD, in("link"), unix.RENAME_EXCHANGE)
				}
			}
		}()
		err = RemoveAll(top)
		close(stop)
		<-stopped
		if err != nil {
			t.Logf("not all removed: %v", err) // only the swapped files
			if err := RemoveAll(top); err != nil {
				t.Fatal(err)
			}
		}
		info, err := os.Stat(outside)
		if err != nil || info.Mode().Perm() != 0o500 {
			t.Fatalf("the directory outside has mode %v, %v; want 0500", info.Mode(), err)
		}
		if _, err := os.Stat(outsideFile); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReplaced checks that a hostFile refers to the same file after a pipe has replaced the
// file at its path. Opening the path instead would block on the pipe.
func TestReplaced(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.WriteFile(in("f"), []byte("found"), 0o600), unix.Mkfifo(in("pipe"), 0o600)); err != nil {
		t.Fatal(err)
	}
	d, err := descend(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close() //nolint:errcheck // a test
	f, err := d.file("f")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(in("pipe"), in("f")); err != nil {
		t.Fatal(err)
	}
	r, err := f.reader()
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close(), f.Close()); err != nil || string(data) != "found" {
		t.Errorf("read %q, %v, want the content of the first file", data, err)
	}
}

// TestLinksAreReadOnce checks that ReadDir reads a file with several names once. If the
// content of the file changes after it was read, ReadDir must read it again.
func TestLinksAreReadOnce(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.WriteFile(in("a"), []byte("before"), 0o600), os.Link(in("a"), in("b")), os.Link(in("a"), in("c"))); err != nil {
		t.Fatal(err)
	}
	for _, changed := range []bool{false, true} {
		r := HostReader{Skip: func(f HostFile) bool {
			if changed && f.Path == "b" {
				if err := os.WriteFile(in("a"), []byte("after it"), 0o600); err != nil {
					t.Error(err)
				}
			}
			return false
		}}
		// The metadata of b was read before the content changed.
		want, size := int64(1), int64(6)
		if changed {
			want, size = 2, 8
		}
		h, err := r.start(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		e, err := h.entry(".", "")
		if err := errors.Join(err, h.contents.wait(), h.dirs.close()); err != nil {
			t.Fatal(err)
		}
		n, err := e.build()
		if err != nil {
			t.Fatal(err)
		}
		if c := must(n.Child("c")).Blob(); c.Size != size || h.contents.found != want {
			t.Errorf("changed %t: read %d files, and %d bytes for c, want %d and %d", changed, h.contents.found, c.Size, want, size)
		}
		if must(n.Child("a")).Blob() != must(n.Child("b")).Blob() {
			t.Errorf("changed %t: a and b have different contents", changed)
		}
	}
}
