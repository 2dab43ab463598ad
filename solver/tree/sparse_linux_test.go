package tree

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHoles checks that holes of sparse files remain holes in the store and on the host,
// and that sizes do not include them.
func TestHoles(t *testing.T) {
	const size, data = 1 << 26, 100 << 10
	name := filepath.Join(t.TempDir(), "d", "f")
	if err := os.Mkdir(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	content := []byte(strings.Repeat("data", data/4))
	_, first := f.WriteAt(content, 0)
	_, middle := f.WriteAt(content, size/2)
	if err := errors.Join(first, middle, f.Truncate(size), f.Close(), os.Link(name, name+"2")); err != nil {
		t.Fatal(err)
	}
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	n, err := HostReader{Store: s}.ReadDir(t.Context(), filepath.Dir(name))
	if err != nil {
		t.Fatal(err)
	}
	b := must(n.Child("f")).Blob()
	copied := t.TempDir()
	if err := WriteDir(t.Context(), copied, n, s, HostOptions{}); err != nil {
		t.Fatal(err)
	}
	again, err := HostReader{Store: s}.ReadDir(t.Context(), copied)
	if err != nil || b.Size != size || must(again.Child("f")).Blob() != b {
		t.Errorf("the copy has %v (%v), want %v of %d bytes", must(again.Child("f")).Blob(), err, b, size)
	}
	sizes, err := s.Sizes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string]int64{"file": DiskSize(t.Context(), filepath.Dir(name)), "store": sizes.Blobs[b.Digest], "copy": DiskSize(t.Context(), copied)} {
		if got < 2*data || got > 4*data {
			t.Errorf("%s: %d bytes, want about %d", what, got, 2*data)
		}
	}
}

// TestReadEnds checks that ReadDir and DiskSize stop when the context ends, even in the
// middle of a very large file.
func TestReadEnds(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "f"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(1<<43), f.Close()); err != nil { // reading takes hours
		t.Fatal(err)
	}
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	r := HostReader{Store: s, Meta: func(f HostFile) (Meta, error) {
		if f.Path == "f" {
			go cancel(enough)
		}
		return f.Meta, nil
	}}
	if _, err := r.ReadDir(ctx, dir); !errors.Is(err, enough) {
		t.Errorf("error %v, want the cause", err)
	}
	if n := DiskSize(ctx, dir); n != 0 {
		t.Errorf("size %d after the context ended, want 0", n)
	}
}

// TestCheckEnds checks that verifying, writing and copying a large blob stops when the context
// ends, and that this does not remove the blob.
func TestCheckEnds(t *testing.T) {
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.PutBytes([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	b.Size = 1 << 43 // reading takes hours
	name := s.path("blobs", b.Digest)
	if err := os.Truncate(name, b.Size); err != nil {
		t.Fatal(err)
	}
	if s, err = OpenStore(s.dir); err != nil { // a store that has not written the blob
		t.Fatal(err)
	}
	n, err := NewDir(Meta{Mode: 0o755}, []Entry{{"f", NewFile(Meta{Mode: 0o644}, b)}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	_, err = s.OpenContext(ctx, b)
	for what, err := range map[string]error{
		"open": err, "repair": s.Repair(ctx), "write a layer": WriteLayer(ctx, io.Discard, Layer{Upper: n}, s, LayerOptions{}),
	} {
		if !errors.Is(err, enough) && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v, want that the context ended", what, err)
		}
	}
	if !s.Has(b) {
		t.Error("the blob was removed")
	}
	s.verified.Store(b.Digest, nil)
	if err := WriteLayer(ctx, io.Discard, Layer{Upper: n}, s, LayerOptions{}); !errors.Is(err, enough) {
		t.Errorf("write a layer with a verified blob: error %v, want the cause", err)
	}
	// Writing checks the context from time to time.
	ctx, cancel = context.WithCancelCause(t.Context())
	src, err := s.Open(b)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dst, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	cancel(enough)
	if err := copyPart(ctx, dst, src, b.Size); !errors.Is(err, enough) {
		t.Errorf("copy: error %v, want the cause", err)
	}
}
