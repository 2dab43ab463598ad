package llbsource

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/solver"
	"slipway/solver/tree"
)

// twoLayers creates an OCI layout with an image that has two layers. It returns the digest of the
// manifest.
func twoLayers(t *testing.T) (archive string, manifest string) {
	t.Helper()
	low, top := makeTar(t, tarEntry{name: "low", data: "1"}), makeTar(t, tarEntry{name: "top", data: "2"})
	conf := imageConfig(sum(low), sum(top))
	m := fmt.Sprintf(`{"schemaVersion":2,"config":%s,"layers":[%s,%s]}`, descriptor("config.v1+json", conf), descriptor("layer.v1.tar", low), descriptor("layer.v1.tar", top))
	index := fmt.Sprintf(`{"schemaVersion":2,"manifests":[%s]}`, descriptor("manifest.v1+json", m))
	return makeTar(t, tarEntry{name: "oci-layout", data: `{"imageLayoutVersion":"1.0.0"}`},
		ociBlob(low), ociBlob(top), ociBlob(conf), ociBlob(m), tarEntry{name: "index.json", data: index}), sum(m)
}

// layoutSources returns sources with the OCI layout in an archive, as the store "s".
func layoutSources(t *testing.T, archive string) *Sources {
	t.Helper()
	file := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(file, []byte(archive), 0o600); err != nil {
		t.Fatal(err)
	}
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &Sources{Store: store, Cache: solver.NewMemoryCache(), Layouts: map[string]string{"s": file}}
}

// filesIn returns the names of the files in the root directory of a source.
func filesIn(t *testing.T, s *Sources, op *pb.SourceOp) (string, solver.Source, error) {
	t.Helper()
	src, err := s.Open(t.Context(), op, nil)
	if err != nil {
		return "", nil, err
	}
	snap, err := src.Fetch(t.Context())
	if err != nil {
		return "", nil, err
	}
	root, err := snap.Tree()
	if err != nil {
		return "", nil, err
	}
	entries, err := root.Entries()
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
	}
	return strings.Join(names, " "), src, err
}

// TestLayerLimit checks that a source with a layer limit has only the lowest layers of an image, and
// keys of its own.
func TestLayerLimit(t *testing.T) {
	archive, manifest := twoLayers(t)
	s := layoutSources(t, archive)
	keys := map[string]bool{}
	for limit, want := range map[string]string{"": "low top", "1": "low", "2": "low top"} {
		attrs := map[string]string{pb.AttrOCILayoutStoreID: "s"}
		if limit != "" {
			attrs[pb.AttrOCILayoutLayerLimit] = limit
		}
		got, src, err := filesIn(t, s, &pb.SourceOp{Identifier: "oci-layout://x@" + manifest, Attrs: attrs})
		if err != nil || got != want {
			t.Fatalf("limit %q: got %q, %v, want %q", limit, got, err, want)
		}
		key, err := src.(solver.NamedSource).CacheKey()
		if err != nil {
			t.Fatal(err)
		}
		if keys[key] || keys[string(src.Digest())] {
			t.Errorf("limit %q: the source has the key of another one", limit)
		}
		keys[key], keys[string(src.Digest())] = true, true
	}
	for limit, want := range map[string]string{"3": "layer limit 3 is greater than the number of layers in the image 2", "0": `invalid layer limit "0"`, "all": `invalid layer limit "all"`} {
		_, _, err := filesIn(t, s, &pb.SourceOp{Identifier: "oci-layout://x@" + manifest, Attrs: map[string]string{
			pb.AttrOCILayoutStoreID: "s", pb.AttrOCILayoutLayerLimit: limit,
		}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("limit %q: got error %v, want %q", limit, err, want)
		}
	}
}

// TestImageBlob checks that a blob of an OCI layout is a source with one file.
func TestImageBlob(t *testing.T) {
	archive, manifest := twoLayers(t)
	s := layoutSources(t, archive)
	hex := digest.Digest(manifest).Encoded()
	for _, tc := range []struct{ id, name, want string }{
		{"oci-layout+blob://s/a@" + manifest, "", hex},
		{"oci-layout+blob://other/a@" + manifest, "file", "file"},
		{"oci-layout+blob://s/a@sha256:" + strings.Repeat("0", 64), "", "is not in the archive"},
		{"oci-layout+blob://s/a", "", "the reference needs a digest"},
		{"docker-image+blob://example.com/a@" + manifest, "", "registries are not allowed"},
	} {
		attrs := map[string]string{pb.AttrOCILayoutStoreID: "s"}
		if tc.name != "" {
			attrs[pb.AttrHTTPFilename] = tc.name
		}
		got, _, err := filesIn(t, s, &pb.SourceOp{Identifier: tc.id, Attrs: attrs})
		if err != nil {
			got = err.Error()
		}
		if !strings.HasSuffix(got, tc.want) && (err == nil || !strings.Contains(got, tc.want)) {
			t.Errorf("%s: got %q, want %q", tc.id, got, tc.want)
		}
	}
}
