package export

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/internal/testtree"
	"slipway/solver/tree"
)

// TestLocateFiles checks which layer an SPDX document gets for each file: the highest one that
// creates or changes the file, even if a higher one removes it. Everything else in the document stays
// unchanged.
func TestLocateFiles(t *testing.T) {
	x := testExporter(t)
	s := layered(t, x.Store, "a", "b", "removed")
	e := tree.Edit(testtree.Of(s))
	if err := e.Remove("removed"); err != nil {
		t.Fatal(err)
	}
	b, err := x.Store.PutBytes([]byte("changed"))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Put("b", tree.NewFile(tree.Meta{Mode: 0o644}, b)); err != nil {
		t.Fatal(err)
	}
	_, blobs, err := x.Image(t.Context(), PlatformResult{Snapshot: s.With(e.Tree())})
	if err != nil {
		t.Fatal(err)
	}
	layer := func(i int) string { return "layerID: " + blobs.Layers[i].Descriptor.Digest.String() }
	const document = `{
		"spdxVersion": "SPDX-2.3", "number": 12345678901234567890, "packages": [{"name": "p"}],
		"creationInfo": {"created": "2026-01-01T00:00:00Z", "creators": ["Tool: scanner"]},
		"files": [{"fileName": "/a"}, {"fileName": "./b", "SPDXID": "x"}, {"fileName": "removed"}, {"fileName": "/missing"}, {"fileName": "/a", "comment": "own"}, "?"]
	}`
	got, err := LocateFiles([]byte(document), blobs.Layers)
	if err != nil {
		t.Fatal(err)
	}
	want := `{
		"spdxVersion": "SPDX-2.3", "number": 12345678901234567890, "packages": [{"name": "p"}],
		"creationInfo": {"created": "2026-01-01T00:00:00Z", "creators": ["Tool: scanner", "Tool: slipway"]},
		"files": [{"fileName": "/a", "comment": "` + layer(0) + `"}, {"fileName": "./b", "SPDXID": "x", "comment": "` + layer(3) + `"},
			{"fileName": "removed", "comment": "` + layer(2) + `"}, {"fileName": "/missing"}, {"fileName": "/a", "comment": "own"}, "?"]
	}`
	if diff := cmp.Diff(decoded(t, want), decoded(t, string(got))); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
	for _, other := range []string{"", "no JSON", `{"bomFormat": "CycloneDX", "files": [{"fileName": "/a"}]}`, `[]`} {
		if got, err := LocateFiles([]byte(other), blobs.Layers); err != nil || string(got) != other {
			t.Errorf("%q becomes %q, %v, want no change", other, got, err)
		}
	}
}

func decoded(t *testing.T, document string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(document), &v); err != nil {
		t.Fatalf("%v in %s", err, document)
	}
	return v
}

// TestAttestedBlobs checks which layers of a build have blobs: layers of the image, and layers whose blobs
// this or an earlier build created.
func TestAttestedBlobs(t *testing.T) {
	x := testExporter(t)
	base := layered(t, x.Store, "a")
	image, other := base.With(testtree.Of(layered(t, x.Store, "a", "b"))), layered(t, x.Store, "a", "c")
	_, blobs, err := x.Image(t.Context(), PlatformResult{Snapshot: image})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := blobs.Of(other); err != nil || got != nil {
		t.Errorf("layers of a snapshot without blobs: %v, %v, want none", got, err)
	}
	if _, _, err := x.Image(t.Context(), PlatformResult{Snapshot: other}); err != nil {
		t.Fatal(err)
	}
	for about, tc := range map[string]struct {
		of   *Blobs
		want int
	}{"image": {blobs, 2}, "files": {x.Blobs(), 0}} {
		if len(tc.of.Layers) != tc.want {
			t.Errorf("%s: %d layers, want %d", about, len(tc.of.Layers), tc.want)
		}
		a, err := tc.of.Of(image)
		if err != nil {
			t.Fatal(err)
		}
		b, err := tc.of.Of(other)
		if err != nil {
			t.Fatal(err)
		}
		if len(a) != 2 || len(b) != 2 || a[0].Digest != b[0].Digest || a[1].Digest == b[1].Digest || a[1].Digest != blobs.Layers[1].Descriptor.Digest {
			t.Errorf("%s: layers %v and %v, want two each, of which the lowest are equal", about, a, b)
		}
	}
}
