package programimage

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"slipway/integration/imagetree"
	"slipway/solver/export"
	"slipway/solver/tree"
)

// binaries stand in for programs of two platforms.
func binaries() []Binary {
	return []Binary{
		{Platform: v1.Platform{OS: "linux", Architecture: "amd64"}, Content: []byte("not a program")},
		{Platform: v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}, Content: []byte("nor this")},
	}
}

func attested() Spec {
	return Spec{
		Path: "/bin/x", Source: "x", Labels: map[string]string{"b": "1", "a": "2"},
		Files: []File{{"/tmp/", 0o1777, nil}, {"/etc/ssl/y", 0o600, []byte("y")}, {"/etc/x", 0o644, []byte("x")}},
		Attest: func(b Binary) ([]Attestation, error) {
			return []Attestation{
				{"https://spdx.dev/Document", fmt.Appendf(nil, `{"of":%q}`, b.Platform)},
				{"https://slsa.dev/provenance/v1", []byte(`{"buildDefinition":{}}`)},
			}, nil
		},
	}
}

// TestReproducible checks that two archives of the same image have equal bytes.
func TestReproducible(t *testing.T) {
	var archives [2][]byte
	for i := range archives {
		index, err := attested().Index(binaries())
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "image.tar")
		if err := WriteArchive(file, index); err != nil {
			t.Fatal(err)
		}
		written, err := imagetree.Open(file, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Index(written); err != nil {
			t.Errorf("not a valid image: %v", err)
		}
		if archives[i], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("two runs give different bytes")
	}
}

// TestFiles checks the entries of the layer: sorted, each directory once and before its files.
func TestFiles(t *testing.T) {
	index, err := attested().Index(binaries())
	if err != nil {
		t.Fatal(err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	img, err := index.Image(m.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	r, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %o %d", h.Name, h.Mode, h.Size))
	}
	want := []string{"bin/ 755 0", "bin/x 755 13", "etc/ 755 0", "etc/ssl/ 755 0", "etc/ssl/y 600 1", "etc/x 644 1", "tmp/ 1777 0"}
	if !slices.Equal(got, want) {
		t.Errorf("layer %q, want %q", got, want)
	}
}

// TestAttestations checks that attestations have the layout that the exporter of slipway build
// writes. Other tests compare the exporter with BuildKit.
func TestAttestations(t *testing.T) {
	index, err := attested().Index(binaries())
	if err != nil {
		t.Fatal(err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Manifests) != 4 {
		t.Fatalf("index has %d entries, want 4", len(m.Manifests))
	}
	for i, b := range binaries() {
		if p := m.Manifests[i].Platform; !p.Equals(b.Platform) {
			t.Errorf("entry %d is for %s, want %s", i, p, b.Platform)
		}
		want := exported(t, index, m.Manifests[i].Digest, b)
		if diff := cmp.Diff(want, entryText(t, index, m.Manifests[i+2])); diff != "" {
			t.Errorf("%s (-exporter +programimage):\n%s", b.Platform, diff)
		}
	}
}

// exported describes the attestations of an image as the exporter of slipway build writes them.
func exported(t *testing.T, index v1.ImageIndex, digest v1.Hash, b Binary) string {
	t.Helper()
	img, err := index.Image(digest)
	if err != nil {
		t.Fatal(err)
	}
	attestations, err := attested().Attest(b)
	if err != nil {
		t.Fatal(err)
	}
	var list []export.Attestation
	for _, a := range attestations {
		list = append(list, export.Attestation{PredicateType: a.PredicateType, Predicate: func(*export.Blobs) ([]byte, error) { return a.Predicate, nil }})
	}
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	of := export.AttestedImage{Image: img, Names: []export.Subject{{Name: "_", Digest: map[string]string{"sha256": digest.Hex}}}}
	entry, err := export.AttestationEntry(store, of, list, false)
	if err != nil {
		t.Fatal(err)
	}
	return attestationText(t, entry.Image, entry.Platform.OS+"/"+entry.Platform.Architecture, entry.Annotations)
}

// entryText describes the attestations in an entry of index.
func entryText(t *testing.T, index v1.ImageIndex, d v1.Descriptor) string {
	t.Helper()
	img, err := index.Image(d.Digest)
	if err != nil {
		t.Fatal(err)
	}
	return attestationText(t, img, d.Platform.String(), d.Annotations)
}

// attestationText describes the entry, the manifest and the statements of attestations, without
// the white space and digests of JSON.
func attestationText(t *testing.T, img v1.Image, platform string, annotations map[string]string) string {
	t.Helper()
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintln(platform, annotations, m.MediaType, m.Config.MediaType)
	cf, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	text += fmt.Sprintln(cf.OS, cf.Architecture, cf.RootFS.Type, len(cf.RootFS.DiffIDs), len(cf.History))
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range layers {
		r, err := l.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, data); err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintln(m.Layers[i].MediaType, m.Layers[i].Annotations, compact.String())
	}
	return text
}
