package export

import (
	"path/filepath"
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
}
