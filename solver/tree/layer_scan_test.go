package tree

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"slipway/internal/slowtest"
)

// tarFile is the name and content of a regular file in an archive that [tarOf] creates.
type tarFile struct{ name, content string }

// tarOf returns an archive of regular files.
func tarOf(t *testing.T, files ...tarFile) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		err := w.WriteHeader(&tar.Header{Name: f.name, Size: int64(len(f.content)), Mode: 0o644, Typeflag: tar.TypeReg})
		if err == nil {
			_, err = io.WriteString(w, f.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// useCPUs sets GOMAXPROCS until the test ends.
func useCPUs(t *testing.T, n int) {
	t.Helper()
	old := runtime.GOMAXPROCS(n)
	t.Cleanup(func() { runtime.GOMAXPROCS(old) })
}

// TestReadManyFiles checks that ReadLayer stores the right content for each of 20,000 files,
// although several goroutines store files concurrently. Some of the files do not fit into a
// buffer.
func TestReadManyFiles(t *testing.T) {
	slowtest.Skip(t, "writes many files")
	useCPUs(t, 4)
	s := testStore(t)
	content := func(i int) string {
		if i%4000 == 0 {
			return strings.Repeat("big", bufferSize)
		}
		return strings.Repeat("x", i%3*1000) + fmt.Sprint(i)
	}
	var files []tarFile
	for i := range 20_000 {
		files = append(files, tarFile{fmt.Sprintf("d%d/f%d", i%100, i), content(i)})
	}
	n, err := ReadLayer(nil, tarOf(t, files...), s, ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range files {
		file, err := n.Get(f.name)
		if err != nil || file == nil {
			t.Fatalf("%s: got %v (%v), want a file", f.name, file, err)
		}
		if got, err := s.Find(file.Blob().Digest, 1<<20); err != nil || string(got) != content(i) {
			t.Fatalf("%s has %d bytes of other content (%v)", f.name, len(got), err)
		}
	}
}

// TestLayerErrors checks that ReadLayer returns the error of the first invalid entry of a
// layer, even if later entries cannot be read either, or have been read before the invalid
// entry was applied.
func TestLayerErrors(t *testing.T) {
	s := testStore(t)
	valid := tarOf(t, tarFile{"a", "1"}, tarFile{"../b", "2"}, tarFile{"c", "3"}).Bytes()
	tooLarge := tarOf(t, tarFile{"a", "1"}, tarFile{"../b", "2"}, tarFile{"c", strings.Repeat("3", 100)}).Bytes()
	for _, tc := range []struct {
		about string
		layer []byte
	}{
		{"invalid name", valid},
		{"truncated content after it", valid[:5*512+1]},
		{"content above the limit after it", tooLarge},
	} {
		const want = `layer entry "../b": the name leaves the layer`
		limits := Limits{Bytes: 50}
		if _, err := ReadLayer(nil, bytes.NewReader(tc.layer), s, ReadOptions{Limits: limits}); err == nil || err.Error() != want {
			t.Errorf("%s: ReadLayer: error %v, want %s", tc.about, err, want)
		}
		scan := NewLayerScan(s, limits)
		if err := scan.Read(t.Context(), bytes.NewReader(tc.layer)); err != nil {
			t.Errorf("%s: Read: error %v, want none", tc.about, err)
		}
		if _, err := scan.Apply(nil); err == nil || err.Error() != want {
			t.Errorf("%s: Apply: error %v, want %s", tc.about, err, want)
		}
	}
}

// TestLayerScan checks that a scan reads a layer before Apply is called, and that the result
// is the same as the result of ReadLayer.
func TestLayerScan(t *testing.T) {
	s := testStore(t)
	base, err := ReadLayer(nil, tarOf(t, tarFile{"d/removed", "1"}, tarFile{"d/kept", "2"}), s, ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	layer := tarOf(t, tarFile{"d/.wh.removed", "ignored"}, tarFile{"d/added", "3"}).Bytes()
	want, err := ReadLayer(base, bytes.NewReader(layer), s, ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	scan := NewLayerScan(s, Limits{})
	if err := scan.Read(t.Context(), bytes.NewReader(layer)); err != nil {
		t.Fatal(err)
	}
	got, err := scan.Apply(base)
	if err != nil || got.ID() != want.ID() {
		t.Fatalf("got %v (%v), want %s", got, err, want.ID())
	}
	if removed, err := got.Get("d/removed"); err != nil || removed != nil {
		t.Errorf("d/removed is %v (%v), want nothing", removed, err)
	}
}

// TestLayerScanEnds checks that Read waits if it has read many entries that Apply has not
// applied. If the context of Read ends, Read and Apply must return its cause.
func TestLayerScanEnds(t *testing.T) {
	s := testStore(t)
	files := make([]tarFile, scannedEntries+1)
	for i := range files {
		files[i].name = fmt.Sprint(i)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	scan := NewLayerScan(s, Limits{})
	layer := tarOf(t, files...)
	cancel(cause)
	if err := scan.Read(ctx, layer); !errors.Is(err, cause) {
		t.Errorf("Read: error %v, want %v", err, cause)
	}
	if _, err := scan.Apply(nil); !errors.Is(err, cause) {
		t.Errorf("Apply: error %v, want %v", err, cause)
	}
	failed := NewLayerScan(s, Limits{})
	failed.Fail(cause)
	if _, err := failed.Apply(nil); !errors.Is(err, cause) {
		t.Errorf("Apply after Fail: error %v, want %v", err, cause)
	}
}
