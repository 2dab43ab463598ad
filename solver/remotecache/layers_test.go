package remotecache

import (
	"testing"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/export"
	"slipway/solver/llbsource"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// TestRemoteLayer checks that a layer without a blob gets a blob, which is created only once,
// even if several results have the layer. If two layers have equal trees but different blobs,
// both must keep their own blob.
func TestRemoteLayer(t *testing.T) {
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	created := 0
	layers := &export.Layers{Store: store, Dir: t.TempDir(), Written: func(int64) { created++ }}
	w := &writer{x: &Exporter{Store: store}, compressor: layers, remote: map[layerKey]llbsource.RemoteLayer{}}
	dir, err := tree.NewDir(tree.Meta{Mode: 0o755}, nil)
	if err != nil {
		t.Fatal(err)
	}
	layer := func(blob string) snapshot.Layer {
		l := snapshot.Layer{LayerRef: tree.Layer{Lower: tree.Empty(), Upper: dir}.Ref()}
		if blob != "" {
			l.Blob = &snapshot.LayerBlob{Descriptor: ocispecs.Descriptor{Digest: digest.FromString(blob)}}
		}
		return l
	}
	first, err := w.remoteLayer(t.Context(), layer(""))
	if err != nil {
		t.Fatal(err)
	}
	writes := created
	layers.Dir = t.TempDir() // without the descriptor of the blob
	again, err := w.remoteLayer(t.Context(), layer(""))
	if err != nil || again.Descriptor.Digest != first.Descriptor.Digest || writes == 0 || created != writes {
		t.Errorf("layer %v after %d writes, %v, want %v after %d", again.Descriptor, created, err, first.Descriptor, writes)
	}
	for _, blob := range []string{"a", "b"} {
		if got, err := w.remoteLayer(t.Context(), layer(blob)); err != nil || got.Descriptor.Digest != digest.FromString(blob) {
			t.Errorf("layer %v, %v, want its own blob %q", got.Descriptor, err, blob)
		}
	}
}
