package builder

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"slipway/solver/export"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// TestWriteSockets checks that outputs write a socket in the result as an empty file, as
// BuildKit does.
func TestWriteSockets(t *testing.T) {
	s, err := openLocal(&Options{State: t.TempDir(), Now: time.Now}, nil)
	if err != nil {
		t.Fatal(err)
	}
	e := tree.Edit(nil)
	if err := e.Put("sock", tree.NewDevice(tree.Socket, tree.Meta{Mode: 0o700}, tree.Device{})); err != nil {
		t.Fatal(err)
	}
	results := buildResult{results: []export.PlatformResult{{Snapshot: snapshot.New(nil, nil).With(e.Tree())}}}
	dir := t.TempDir()
	file := filepath.Join(dir, "files.tar")
	err = errors.Join(
		s.writeFiles(t.Context(), &Options{Now: time.Now}, Output{Type: "local", Dest: filepath.Join(dir, "files")}, results),
		s.writeFiles(t.Context(), &Options{Now: time.Now}, Output{Type: "tar", Dest: file}, results))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(filepath.Join(dir, "files", "sock")); err != nil || !info.Mode().IsRegular() || info.Size() != 0 {
		t.Errorf("the directory has %v, %v", info, err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := tar.NewReader(f)
	if h, err := r.Next(); err != nil || h.Name != "sock" || h.Typeflag != tar.TypeReg || h.Size != 0 {
		t.Errorf("the archive has %+v, %v", h, err)
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("the archive has more than the file: %v", err)
	}
}
