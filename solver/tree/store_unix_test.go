//go:build unix

package tree

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

// TestFIFOs puts FIFOs at the paths of blobs and directories in the store. Opening them must
// not block, but return a [BlobError]. Afterwards, the store must be able to store the blob or
// directory again.
func TestFIFOs(t *testing.T) {
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.PutBytes([]byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := NewDir(Meta{Mode: 0o755}, []Entry{{"f", NewFile(Meta{Mode: 0o644}, b)}})
	if err = errors.Join(err, s.Save(root)); err != nil {
		t.Fatal(err)
	}
	blob, dir := s.path("blobs", b.Digest), s.path("dirs", root.ID())
	for _, name := range []string{blob, dir} {
		if err := errors.Join(os.Remove(name), syscall.Mkfifo(name, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	var lost *BlobError
	if _, err := s.Open(b); !errors.As(err, &lost) {
		t.Errorf("open a blob: %v, want a BlobError", err)
	}
	if _, err := s.Load(root.ID()); !errors.As(err, &lost) {
		t.Errorf("load a directory: %v, want a BlobError", err)
	}
	if err := s.Repair(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(blob); err == nil {
		t.Error("Repair does not remove the FIFO")
	}
	if err := os.Symlink(blob, blob); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(b); !errors.As(err, &lost) {
		t.Errorf("open a link to itself: %v, want a BlobError", err)
	}
	if err := s.Repair(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(blob); err == nil {
		t.Error("Repair does not remove the link")
	}
	if _, err := s.PutBytes([]byte("content")); err != nil {
		t.Error(err)
	}
	s.verified.Clear()
	if err := s.Save(root); err != nil {
		t.Error(err)
	}
	if _, err := s.Load(root.ID()); err != nil {
		t.Error(err)
	}
}
