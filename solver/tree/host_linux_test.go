package tree

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"slipway/internal/slowtest"
)

// TestWriteXattrs checks which extended attributes WriteDir sets. It must skip attributes
// that overlay file systems interpret or that the host refuses, but must return an error if
// capabilities cannot be set.
func TestWriteXattrs(t *testing.T) {
	s := testStore(t)
	b, err := s.PutBytes([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	m := Meta{Mode: 0o600, UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	write := func(dir string, xattrs ...Xattr) error {
		own := m
		own.Xattrs = xattrs
		root, err := NewDir(m, []Entry{{"f", NewFile(own, b)}})
		if err != nil {
			t.Fatal(err)
		}
		return WriteDir(t.Context(), dir, root.WithMeta(Meta{Mode: 0o700, UID: m.UID, GID: m.GID}), s, HostOptions{Owners: true})
	}
	dir := t.TempDir()
	// No system accepts an attribute without a namespace prefix.
	if err := write(dir, Xattr{"nothing", "1"}, Xattr{"trusted.overlay.opaque", "y"}, Xattr{"user.a", "2"}, Xattr{"user.overlay.opaque", "y"}); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1<<10)
	for name, want := range map[string]string{"user.a": "2", "user.overlay.opaque": "", "trusted.overlay.opaque": "", "nothing": ""} {
		n, err := unix.Lgetxattr(filepath.Join(dir, "f"), name, buf)
		if got := string(buf[:max(n, 0)]); got != want {
			t.Errorf("attribute %s is %q (%v), want %q", name, got, err, want)
		}
	}
	if err := write(t.TempDir(), Xattr{Capability, "invalid"}); err == nil {
		t.Error("no error for capabilities that cannot be set")
	}
}

// TestReadDirRace checks that ReadDir reads no file outside the directory, and does not
// block, while a file and a directory in it are replaced by symbolic links to the outside
// and by a pipe.
func TestReadDirRace(t *testing.T) {
	slowtest.Skip(t, "repeats a race")
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir, outside := t.TempDir(), t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(
		os.WriteFile(filepath.Join(outside, "f"), []byte("of the host"), 0o600),
		os.Mkdir(in("d"), 0o755), os.WriteFile(in("d/f"), []byte("inside"), 0o600), os.WriteFile(in("f"), []byte("inside"), 0o600),
		os.Symlink(outside, in("to-dir")), os.Symlink(filepath.Join(outside, "f"), in("to-file")), unix.Mkfifo(in("pipe"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan error)
	go func() {
		var err error
		for err == nil {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			for _, pair := range [][2]string{{"d", "to-dir"}, {"f", "to-file"}, {"f", "pipe"}} {
				err = errors.Join(err, unix.Renameat2(unix.AT_FDCWD, in(pair[0]), unix.AT_FDCWD, in(pair[1]), unix.RENAME_EXCHANGE))
			}
		}
		<-stop
		stopped <- err
	}()
	host, err := s.PutBytes([]byte("of the host"))
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for range 3000 {
		n, err := HostReader{Store: s}.ReadDir(t.Context(), dir)
		if err != nil {
			continue // the path is another file now
		}
		read++
		for _, name := range []string{"f", "d/f", "to-file", "to-dir/f", "pipe"} {
			if f := must(n.Get(name)); f != nil && f.Kind() == File && f.Blob() == host {
				t.Fatalf("%s is a file from outside", name)
			}
		}
	}
	close(stop)
	if err := <-stopped; err != nil || read == 0 {
		t.Errorf("read %d trees while files changed, %v", read, err)
	}
}
