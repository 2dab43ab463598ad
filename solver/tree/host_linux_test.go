package tree

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWriteXattrs: attributes are set on the host, except those that steer
// overlays and those that the host refuses. Capabilities must be set.
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
	// No system sets an attribute that has no namespace.
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
		t.Error("capabilities that cannot be set are left out without an error")
	}
}
