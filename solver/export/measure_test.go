package export

import (
	"strings"
	"testing"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// TestMeasure checks which layers come from the base image, and which history entry belongs to a layer.
func TestMeasure(t *testing.T) {
	file := func(name string, size int64) *tree.Node {
		e := tree.Edit(tree.Empty())
		if err := e.Put(name, tree.NewFile(tree.Meta{Mode: 0o644}, tree.Blob{Digest: "sha256:x", Size: size})); err != nil {
			t.Fatal(err)
		}
		return e.Tree()
	}
	base := &snapshot.LayerBlob{DiffID: "sha256:b", Descriptor: ocispecs.Descriptor{Digest: "sha256:c", Size: 7}}
	s := (*snapshot.Snapshot)(nil).WithBlob(file("a", 10), base).With(file("b", 5)).WithBlob(file("c", 6), base)
	x := &Exporter{Layers: &Layers{Dir: t.TempDir()}}
	list, err := x.Measure(PlatformResult{
		Snapshot: s, Base: []byte(`{"rootfs":{"diff_ids":["sha256:b","sha256:b"]}}`),
		Config: []byte(`{"history":[{"created_by":"one"},{"created_by":"env","empty_layer":true},{"created_by":"two"}]}`),
	})
	if err != nil || len(list) != 3 {
		t.Fatalf("%d layers, %v, want 3", len(list), err)
	}
	if l := list[0]; !l.Base || l.Size != nil || l.Blob.Size != 7 || l.CreatedBy != "one" {
		t.Errorf("layer of the base: %+v", l)
	}
	if l := list[1]; l.Base || l.Blob != nil || l.Size.Bytes != 5 || l.Size.Hidden != 10 || l.CreatedBy != "two" {
		t.Errorf("new layer: %+v, %+v", l, l.Size)
	}
	if l := list[2]; l.Base || l.Blob.Size != 7 || l.Size.Bytes != 6 || l.CreatedBy != "" {
		t.Errorf("a layer like one of the base above a new one: %+v, %+v", l, l.Size)
	}
	for want, r := range map[string]PlatformResult{
		"config of the base image: ": {Base: []byte("x")},
		"image config: ":             {Config: []byte("x")},
	} {
		if _, err := x.Measure(r); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
