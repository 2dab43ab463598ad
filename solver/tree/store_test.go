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

// TestFilesDisappear checks that Sizes, Repair and Sweep return no error if another process
// concurrently deletes blobs and their directories.
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

// TestReplacedBlob checks a damaged blob that another process replaces by an intact one
// while it is verified. Store.check must return an error, but must not remove the intact
// blob.
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
			t.Errorf("no error for the damaged content %q", damaged)
		}
		f.Close()
		good, err := s.Open(b)
		if err != nil {
			t.Errorf("after the check of %q: error %v, want the new blob", damaged, err)
			continue
		}
		good.Close()
	}
}

// TestRemove checks that Remove removes a blob, and that the blob can be stored again
// afterwards. A file that another process puts at the path of the blob must be verified
// before it is used.
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
			t.Errorf("Remove returns %v, and Has returns %t, want nil and false", err, s.Has(b))
		}
	}
	if err := os.WriteFile(s.path("blobs", b.Digest), []byte("CONTENT"), 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := s.Open(b); err == nil {
		f.Close()
		t.Error("no error for a damaged file in place of the removed one")
	}
	if _, err := s.PutBytes([]byte("content")); err != nil || !s.Has(b) {
		t.Errorf("PutBytes returns %v, and Has returns %t, want nil and true", err, s.Has(b))
	}
}

// TestPutAgain checks that PutBytes rewrites an existing blob only if the blob is damaged.
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
		t.Error("an intact blob was written again")
	}
	for _, damaged := range []string{"CONTENT", "cont"} {
		if err := os.WriteFile(name, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		put()
		if data, err := os.ReadFile(name); err != nil || string(data) != "content" {
			t.Errorf("after the damage %q, the blob is %q, %v, want content", damaged, data, err)
		}
	}
}
