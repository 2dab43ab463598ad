package tree

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
)

// TestFilesDisappear checks that walking the store does not fail if another process
// deletes blobs and their directories.
func TestFilesDisappear(t *testing.T) {
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	none := map[digest.Digest]bool{}
	for about, walk := range map[string]func() error{
		"Sizes":  func() error { _, err := s.Sizes(t.Context()); return err },
		"Repair": func() error { return s.Repair(t.Context()) },
		"Sweep":  func() error { return s.Sweep(t.Context(), none, none) },
	} {
		stop := make(chan struct{})
		var others sync.WaitGroup
		others.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				dir := filepath.Join(s.dir, "blobs", fmt.Sprintf("%02x", i%256))
				_ = os.MkdirAll(dir, 0o700)
				_ = os.WriteFile(filepath.Join(dir, digest.FromString(fmt.Sprint(i)).Encoded()[2:]), nil, 0o600)
				_ = os.RemoveAll(dir)
			}
		})
		for range 3000 {
			if err := walk(); err != nil {
				t.Errorf("%s while files are deleted: %v", about, err)
				break
			}
		}
		close(stop)
		others.Wait()
	}
}

// TestReplacedBlob checks that a blob with which another process replaced a damaged one
// is not removed.
func TestReplacedBlob(t *testing.T) {
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := Blob{Digest: digest.FromString("content"), Size: int64(len("content"))}
	name := s.path("blobs", b.Digest)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, damaged := range []string{"CONTENT", "cont"} {
		if err := os.WriteFile(name, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		other, err := OpenStore(s.dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.PutBytes([]byte("content")); err != nil {
			t.Fatal(err)
		}
		if err := s.check(f, b, func(r io.Reader) io.Reader { return r }); err == nil {
			t.Errorf("%q is taken for the blob", damaged)
		}
		f.Close()
		good, err := s.Open(b)
		if err != nil {
			t.Errorf("after %q was found: %v, want the blob that was put", damaged, err)
			continue
		}
		good.Close()
	}
}

// TestRemove checks that a removed blob is missing and can be stored again. A blob
// written by another process under its digest is checked.
func TestRemove(t *testing.T) {
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.PutBytes([]byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Remove(b.Digest); err != nil || s.Has(b) {
			t.Errorf("removed with %v, exists: %t", err, s.Has(b))
		}
	}
	if err := os.WriteFile(s.path("blobs", b.Digest), []byte("CONTENT"), 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := s.Open(b); err == nil {
		f.Close()
		t.Error("a damaged blob in place of the removed one is opened")
	}
	if _, err := s.PutBytes([]byte("content")); err != nil || !s.Has(b) {
		t.Errorf("put again with %v, exists: %t", err, s.Has(b))
	}
}

// TestPutAgain checks that a valid blob is not written again, and that a damaged one
// is.
func TestPutAgain(t *testing.T) {
	dir := t.TempDir()
	put := func() (string, os.FileInfo) {
		t.Helper()
		s, err := OpenStore(dir)
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.PutBytes([]byte("content"))
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(s.path("blobs", b.Digest))
		if err != nil {
			t.Fatal(err)
		}
		return s.path("blobs", b.Digest), info
	}
	name, first := put()
	if _, again := put(); !os.SameFile(first, again) {
		t.Error("a good blob was written again")
	}
	for _, damaged := range []string{"CONTENT", "cont"} {
		if err := os.WriteFile(name, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		put()
		if data, err := os.ReadFile(name); err != nil || string(data) != "content" {
			t.Errorf("after %q the blob has %q, %v", damaged, data, err)
		}
	}
}
