//go:build unix

package export

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"slipway/solver/tree"
)

// TestBlobs checks that Blobs returns the cached blobs, even if the name of the cache
// directory is a glob pattern.
func TestBlobs(t *testing.T) {
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	x := &Exporter{Store: store, Layers: &Layers{Store: store, Dir: filepath.Join(t.TempDir(), "[a]*")}}
	if blobs, err := x.Layers.Blobs(); err != nil || len(blobs) > 0 {
		t.Errorf("blobs of an empty cache: %v, %v, want none", blobs, err)
	}
	root := x.root(t, "content")
	blobs, err := x.Layers.Blobs()
	if err != nil {
		t.Fatal(err)
	}
	if len(blobs) != 2 {
		t.Errorf("%d blobs of %s, want the blobs of both layers", len(blobs), root.Descriptor.Digest)
	}
	found, err := os.ReadDir(x.Layers.Dir)
	if err != nil || len(found) != 2 {
		t.Fatalf("%d files, %v", len(found), err)
	}
	for _, f := range found {
		name := filepath.Join(x.Layers.Dir, f.Name())
		if err := errors.Join(os.Remove(name), syscall.Mkfifo(name, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if blobs, err := x.Layers.Blobs(); err != nil || len(blobs) > 0 {
		t.Errorf("blobs of FIFOs: %v, %v, want none", blobs, err)
	}
	if again := x.root(t, "content"); again.Descriptor.Digest != root.Descriptor.Digest {
		t.Errorf("with FIFOs the image is %s, want %s", again.Descriptor.Digest, root.Descriptor.Digest)
	}
}
