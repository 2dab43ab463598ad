package builder

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/llbsolver/provenance/types"
	"github.com/moby/buildkit/solver/result"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/llbsource"
)

// TestProvenance checks which parts of a build are in its provenance, in each version and mode.
func TestProvenance(t *testing.T) {
	for attrs, want := range map[string]struct {
		kind, has, lacks string // predicate type, and texts in the statement
	}{
		"":                               {"https://slsa.dev/provenance/v1", `"build-arg:A": "secret"`, "inline"},
		"mode=max":                       {"https://slsa.dev/provenance/v1", `"llbDefinition"`, "buildType02"},
		"mode=min":                       {"https://slsa.dev/provenance/v1", `"path": "Dockerfile"`, "secret"},
		"mode=min,version=v0.2":          {"https://slsa.dev/provenance/v0.2", `"entryPoint": "Dockerfile"`, "secret"},
		"reproducible=true,builder-id=x": {"https://slsa.dev/provenance/v1", `"buildkit_reproducible": true`, "inline"},
	} {
		o := options(t, "FROM scratch\nCOPY a /\n")
		o.BuildArgs = map[string]string{"A": "secret"}
		o.Attests = map[string]string{"provenance": attrs}
		dir := t.TempDir()
		o.Outputs = []Output{{Type: "local", Dest: dir, Attrs: map[string]string{"attestation-prefix": "p-"}}}
		if err := Run(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, "p-provenance.json"))
		if err != nil {
			t.Fatal(err)
		}
		var s struct {
			PredicateType string
			Subject       []struct {
				Name   string
				Digest map[string]string
			}
		}
		if err := json.Unmarshal(data, &s); err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile(filepath.Join(dir, "a"))
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Subject) != 1 || s.Subject[0].Name != "a" || s.Subject[0].Digest["sha256"] != digest.FromBytes(file).Encoded() {
			t.Errorf("%s: subjects %v", attrs, s.Subject)
		}
		if s.PredicateType != want.kind || !bytes.Contains(data, []byte(want.has)) || bytes.Contains(data, []byte(want.lacks)) {
			t.Errorf("%s: want %+v in\n%s", attrs, want, data)
		}
	}
}

// TestAttestationOutputs checks which outputs contain provenance: an index, if inline-only is not
// set or attestation-inline demands it. docker load and the image store get the same index.
func TestAttestationOutputs(t *testing.T) {
	for _, tc := range []struct {
		attrs, output string
		want          string // media types of the root and, in an index, of its entries
	}{
		{"mode=min", "type=oci", "index manifest manifest"},
		{"mode=min", "type=docker", "index manifest manifest"},
		{"mode=min,inline-only=true", "type=oci", "manifest"},
		{"mode=min,inline-only=true", "type=oci,attestation-inline=true", "index manifest manifest"},
	} {
		o := options(t, "FROM scratch\nCOPY a /\n")
		o.Attests = map[string]string{"provenance": tc.attrs}
		o.Tags = []string{"app:1"}
		dest := filepath.Join(t.TempDir(), "x.tar")
		out, err := ParseOutput(tc.output + ",dest=" + dest)
		if err != nil {
			t.Fatal(err)
		}
		o.Outputs = []Output{out, {Type: "image"}}
		if err := Run(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		blobs := archiveBlobs(t, dest)
		var got []string
		kind := func(d ocispecs.Descriptor) string {
			parts := strings.Split(strings.TrimSuffix(d.MediaType, ".v1+json"), ".")
			return parts[len(parts)-1]
		}
		var idx ocispecs.Index
		for _, data := range blobs {
			var i ocispecs.Index
			if json.Unmarshal(data, &i) == nil && len(i.Manifests) > 0 && i.Manifests[0].Annotations[ocispecs.AnnotationRefName] != "" {
				idx = i
			}
		}
		if len(idx.Manifests) != 1 {
			t.Fatalf("%+v: index.json has %v", tc, idx.Manifests)
		}
		root := idx.Manifests[0]
		got = append(got, kind(root))
		if root.MediaType == ocispecs.MediaTypeImageIndex {
			if err := json.Unmarshal(blobs[root.Digest], &idx); err != nil {
				t.Fatal(err)
			}
			for _, m := range idx.Manifests {
				got = append(got, kind(m))
			}
			last := idx.Manifests[len(idx.Manifests)-1]
			if last.Platform.OS != "unknown" || last.Annotations["vnd.docker.reference.digest"] != string(idx.Manifests[0].Digest) {
				t.Errorf("%+v: the attestation is %v", tc, last)
			}
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%+v: got %v", tc, got)
		}
		again := options(t, "FROM app:1\n")
		again.State = o.State
		if err := Run(t.Context(), again); err != nil {
			t.Errorf("%+v: %v", tc, err)
		}
		images, err := OpenImages(o.State, o.Now)
		if err != nil {
			t.Fatal(err)
		}
		list, err := images.List()
		if err != nil || len(list) != 1 || len(list[0].Platforms) != 1 {
			t.Errorf("%+v: stored %+v, %v", tc, list, err)
		}
	}
}

// TestAttestRequests checks how options request attestations. attest: takes precedence over the
// build argument.
func TestAttestRequests(t *testing.T) {
	got, err := attestRequests(map[string]string{
		"build-arg:BUILDKIT_ATTEST_PROVENANCE": "mode=min", "build-arg:BUILDKIT_ATTEST_SBOM": "generator=x,A=1", "attest:provenance": "mode=max", "build-arg:B": "1",
	})
	if err != nil || !slices.Equal(slices.Sorted(maps.Keys(got)), []string{"provenance", "sbom"}) || got["provenance"]["mode"] != "max" || got["sbom"]["A"] != "1" {
		t.Errorf("got %v, %v", got, err)
	}
	for opt, want := range map[string]string{
		"attest:other":      `unknown attestation type "other"`,
		"attest:provenance": "version=v2: unknown version (want v1 or v0.2)",
	} {
		if _, err := attestRequests(map[string]string{opt: "version=v2"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", opt, err, want)
		}
	}
}

// TestScannedResult checks that a build runs the scanner itself if the frontend ignores the
// request for an SBOM. It must not run it for other attestations, or for a result without files.
func TestScannedResult(t *testing.T) {
	const statement = `{"predicateType":"https://spdx.dev/Document","predicate":"scanned"}`
	image := options(t, "FROM scratch\nCOPY base /\nENTRYPOINT [\"/bin/sh\", \"-c\", \"cat $BUILDKIT_SCAN_SOURCE/found > $BUILDKIT_SCAN_DESTINATION/sbom.json\"]\n")
	image.Tags = []string{"scanner"}
	if err := Run(t.Context(), image); err != nil {
		t.Fatal(err)
	}
	result := llb.Scratch().File(llb.Mkfile("found", 0o644, []byte(statement)))
	for _, tc := range []struct {
		kind, attrs string
		st          llb.State
		want        string // part of the SBOM; "" if there must be none
	}{
		{"sbom", "generator=scanner", result, `"predicate": "scanned"`},
		{"sbom", "generator=scanner", llb.Scratch(), ""},
		{"provenance", "", result, ""},
	} {
		o := options(t, "FROM scratch\nCOPY a /\n")
		o.State = image.State
		o.Attests = map[string]string{tc.kind: tc.attrs}
		o.Outputs = []Output{{Type: "local", Dest: t.TempDir()}}
		o.Frontend = func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
			def, err := tc.st.Marshal(ctx)
			if err != nil {
				return nil, err
			}
			return c.Solve(ctx, gateway.SolveRequest{Definition: def.ToPB()})
		}
		if err := Run(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(o.Outputs[0].Dest, "sbom.json"))
		if (tc.want != "") != (err == nil) || !strings.Contains(string(data), tc.want) {
			t.Errorf("%s: SBOM %q, %v, want %q", tc.kind, data, err, tc.want)
		}
	}
}

// TestProvenanceLayers checks that provenance lists the layers of each operation whose blobs exist:
// with the digests in the image, and without the layers of stages that are in no image. Files have
// only the layers that earlier outputs created.
func TestProvenanceLayers(t *testing.T) {
	o := options(t, "FROM scratch AS base\nCOPY base /\nFROM base AS other\nCOPY a /other\nFROM base\nCOPY --from=other /other /copied\n")
	o.Attests = map[string]string{"provenance": "mode=max"}
	dest := filepath.Join(t.TempDir(), "x.tar")
	files := Output{Type: "local", Dest: t.TempDir()}
	o.Outputs = []Output{files, {Type: "oci", Dest: dest, Attrs: map[string]string{"compression": "zstd"}}}
	layersIn := func(data []byte) map[string][][]ocispecs.Descriptor {
		t.Helper()
		var s struct {
			Predicate types.ProvenancePredicateSLSA1
		}
		if err := json.Unmarshal(data, &s); err != nil {
			t.Fatal(err)
		}
		return s.Predicate.RunDetails.Metadata.BuildKitMetadata.Layers
	}
	provenanceFile := func() []byte {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(files.Dest, "provenance.json"))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if got := layersIn(provenanceFile()); len(got) > 0 {
		t.Errorf("files of the first build have the layers %v, want none", got)
	}
	var inImage, want []digest.Digest
	var got map[string][][]ocispecs.Descriptor
	for _, data := range archiveBlobs(t, dest) {
		var m ocispecs.Manifest
		switch {
		case bytes.Contains(data, []byte(`"predicate":`)):
			got = layersIn(data)
		case json.Unmarshal(data, &m) == nil && m.MediaType == ocispecs.MediaTypeImageManifest && m.ArtifactType == "":
			for _, l := range m.Layers {
				inImage = append(inImage, l.Digest)
			}
		}
	}
	if len(inImage) != 2 || len(got) != 2 {
		t.Fatalf("the image has the layers %v, and the operations %v, want two each", inImage, got)
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		want = append(want, got[name][0][len(got[name][0])-1].Digest)
		if len(got[name]) != 1 || len(got[name][0]) != len(want) {
			t.Errorf("%s has the layers %v, want one list of %d", name, got[name], len(want))
		}
	}
	if !slices.Equal(want, inImage) {
		t.Errorf("the operations have the layers %v, the image %v", want, inImage)
	}

	o.Outputs = []Output{{Type: "oci", Dest: dest}}
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	o.Outputs = []Output{files}
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if got := layersIn(provenanceFile()); len(got) != 2 {
		t.Errorf("files of the last build have the layers %v, want two", got)
	}
}

// TestProvenanceEnv checks that provenance contains the properties of the machine, and that an
// invalid file with such properties is an error.
func TestProvenanceEnv(t *testing.T) {
	o := options(t, "FROM scratch\nCOPY a /\n")
	o.ProvenanceEnvDir = t.TempDir()
	file := filepath.Join(o.ProvenanceEnvDir, "x.json")
	if err := os.WriteFile(file, []byte(`{"builder": "b1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Attests = map[string]string{"provenance": "mode=min"}
	o.Outputs = []Output{{Type: "local", Dest: t.TempDir()}}
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(o.Outputs[0].Dest, "provenance.json"))
	if err != nil || !bytes.Contains(data, []byte(`"builder": "b1"`)) {
		t.Errorf("provenance %s, %v, want the property builder", data, err)
	}
	if err := os.WriteFile(file, []byte(`{`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v, want one about %s", err, file)
	}
	if err := o.CheckRequest(); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error of a server %v, want one about %s", err, file)
	}
	o.Attests = nil
	if err := Run(t.Context(), o); err != nil {
		t.Errorf("without provenance: %v", err)
	}
}

// TestLocatedFiles checks that the core SBOM of an image says in which layer a file is. Other SBOMs,
// and SBOMs of files, stay unchanged.
func TestLocatedFiles(t *testing.T) {
	const document = `{"spdxVersion":"SPDX-2.3","files":[{"fileName":"/f"}]}`
	o := options(t, "")
	dest := filepath.Join(t.TempDir(), "x.tar")
	o.Outputs = []Output{{Type: "oci", Dest: dest}, {Type: "local", Dest: t.TempDir()}}
	o.Frontend = func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		solve := func(name, content string) gateway.Reference {
			t.Helper()
			def, err := llb.Scratch().File(llb.Mkfile(name, 0o644, []byte(content))).Marshal(ctx)
			if err != nil {
				t.Fatal(err)
			}
			res, err := c.Solve(ctx, gateway.SolveRequest{Definition: def.ToPB()})
			if err != nil {
				t.Fatal(err)
			}
			return res.Ref
		}
		res := gateway.NewResult()
		res.SetRef(solve("f", "x"))
		for _, name := range []string{"core.json", "other.json"} {
			res.AddAttestation(platforms.FormatAll(llbsource.Machine()), gateway.Attestation{
				Kind: gwpb.AttestationKind_InToto, Ref: solve(name, document), Path: name,
				InToto: result.InTotoAttestation{PredicateType: spdxType}, Metadata: map[string][]byte{result.AttestationSBOMCore: []byte("core")},
			})
		}
		return res, nil
	}
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	located, unchanged := 0, 0
	for _, data := range archiveBlobs(t, dest) {
		if bytes.Contains(data, []byte(`"comment":"layerID: sha256:`)) {
			located++
		}
		if bytes.Contains(data, []byte(`"predicate":`+document)) {
			unchanged++
		}
	}
	if located != 1 || unchanged != 1 {
		t.Errorf("%d SBOMs of the image name layers, and %d do not, want one each", located, unchanged)
	}
	for _, name := range []string{"core.json", "other.json"} {
		if data, err := os.ReadFile(filepath.Join(o.Outputs[1].Dest, name)); err != nil || bytes.Contains(data, []byte("layerID")) {
			t.Errorf("%s in a directory is %s, %v, want one without layers", name, data, err)
		}
	}
}
