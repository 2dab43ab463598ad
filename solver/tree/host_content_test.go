package tree

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"
)

// blobFiles returns the paths of all blobs in the store.
func blobFiles(t *testing.T, s *Store) (files []string) {
	t.Helper()
	err := s.each(t.Context(), "blobs", func(file string, _ digest.Digest) error {
		files = append(files, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestReadDirWithoutStore checks that a reader without a store returns the same tree as a
// reader with one.
func TestReadDirWithoutStore(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i, size := range []int{0, 1, bufferSize - 1, bufferSize, bufferSize + 1, 3*bufferSize + 5} {
		data := bytes.Repeat([]byte{byte(i)}, size) // the first files consist of zeros
		if err := os.WriteFile(filepath.Join(dir, "d", fmt.Sprint(i)), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(dir, "d", "4"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	want, err := HostReader{Store: s}.ReadDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := HostReader{}.ReadDir(t.Context(), dir)
	if err != nil || !got.Same(want) {
		t.Errorf("trees differ: %v", err)
	}
	if b := must(got.Get("d/5")).Blob(); b.Size != 3*bufferSize+5 || b.Digest != digest.FromBytes(bytes.Repeat([]byte{5}, 3*bufferSize+5)) {
		t.Errorf("content of d/5: %v", b)
	}
	if must(got.Get("link")).Blob() != must(got.Get("d/4")).Blob() || must(got.Get("link")).Inode() != must(got.Get("d/4")).Inode() {
		t.Error("the names of a hard link have different contents or inodes")
	}
	if n := len(blobFiles(t, s)); n != 6 {
		t.Errorf("the store has %d blobs, want 6", n)
	}
}

// TestPutKeepsBlobs checks that Put does not replace an intact blob, even if another
// process wrote it, and that it replaces a damaged one.
func TestPutKeepsBlobs(t *testing.T) {
	dir := t.TempDir()
	for _, size := range []int{10, 3 * bufferSize} {
		data := strings.Repeat("x", size)
		var first fs.FileInfo
		for range 2 {
			s, err := OpenStore(dir)
			if err != nil {
				t.Fatal(err)
			}
			b, err := s.Put(strings.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(s.path("blobs", b.Digest))
			if err != nil {
				t.Fatal(err)
			}
			if first != nil && !os.SameFile(first, info) {
				t.Errorf("%d bytes: the blob was replaced", size)
			}
			first = info
		}
		s, err := OpenStore(dir)
		if err != nil {
			t.Fatal(err)
		}
		b := Blob{Digest: digest.FromString(data), Size: int64(size)}
		if err := os.WriteFile(s.path("blobs", b.Digest), []byte(strings.Repeat("y", size)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Put(strings.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(s.path("blobs", b.Digest)); err != nil || string(got) != data {
			t.Errorf("%d bytes: the damaged blob was not replaced: %v", size, err)
		}
		if left, err := os.ReadDir(s.temp()); err != nil || len(left) > 0 {
			t.Errorf("temporary files %v, %v, want none", left, err)
		}
	}
}

// TestPutOfTruncatedContent checks that Put returns the error of a reader whose content is
// truncated, and stores nothing.
func TestPutOfTruncatedContent(t *testing.T) {
	for _, n := range []int{0, 100, bufferSize, 3*bufferSize + 1} {
		s, err := OpenStore(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		content := bytes.Repeat([]byte("a"), n)
		truncated := io.MultiReader(bytes.NewReader(content), iotest.ErrReader(io.ErrUnexpectedEOF))
		if _, err := s.Put(truncated); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes: error %v, want %v", n, err, io.ErrUnexpectedEOF)
		}
		if b := (Blob{Digest: digest.FromBytes(content), Size: int64(n)}); s.Has(b) {
			t.Errorf("%d bytes: Put stored the blob", n)
		}
		if b, err := s.Put(bytes.NewReader(content)); err != nil || b.Digest != digest.FromBytes(content) {
			t.Errorf("%d bytes: Put of the whole content: %v, %v", n, b, err)
		}
	}
}

// TestContentErrors checks that the error of a contentReader does not depend on which
// goroutine fails first.
func TestContentErrors(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "sub"), 0o700), os.WriteFile(filepath.Join(dir, "f"), []byte("content"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		d, err := descend(dir)
		if err != nil {
			t.Fatal(err)
		}
		r := newContentReader(t.Context(), nil)
		var contents []*fileContent
		for i := range 100 {
			name := "f"
			if i == 40 || i == 41 || i > 70 {
				name = "sub" // cannot be read
			}
			f, err := d.file(name)
			if err == nil {
				f, err = f.detach()
			}
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(filepath.Join(dir, "f"))
			if err != nil {
				t.Fatal(err)
			}
			contents = append(contents, r.add(HostFile{Path: fmt.Sprint(i), Info: info}, f))
		}
		if err := r.wait(); err == nil || !strings.HasPrefix(err.Error(), "/40: ") || !r.stopped() {
			t.Fatalf("error %v, want that of file 40", err)
		}
		for i, c := range contents[:40] {
			if c.blob.Digest != digest.FromString("content") {
				t.Errorf("file %d: %v", i, c.blob)
			}
		}
		if err := d.close(); err != nil {
			t.Fatal(err)
		}
	}
}
