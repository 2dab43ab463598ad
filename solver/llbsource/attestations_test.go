package llbsource

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/util/attestation"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/fakeregistry"
	"slipway/solver/registry"
)

// pusher pushes blobs and manifests to a repository.
type pusher struct {
	t  *testing.T
	to *registry.Repository
}

// blob pushes a blob and returns its descriptor.
func (p pusher) blob(mediaType, data string) ocispecs.Descriptor {
	p.t.Helper()
	d := ocispecs.Descriptor{MediaType: mediaType, Digest: digest.FromString(data), Size: int64(len(data))}
	if err := p.to.Push(p.t.Context(), d, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader([]byte(data))), nil }); err != nil {
		p.t.Fatal(err)
	}
	return d
}

// manifest pushes a manifest or an index and returns its descriptor.
func (p pusher) manifest(mediaType string, v any) ocispecs.Descriptor {
	p.t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		p.t.Fatal(err)
	}
	d := ocispecs.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	write := p.to.PushManifest
	if mediaType == ocispecs.MediaTypeImageIndex {
		write = p.to.Tag
	}
	if err := write(p.t.Context(), d, data); err != nil {
		p.t.Fatal(err)
	}
	return d
}

// TestAttestationChain checks which manifests and blobs the attestations of an image contain: the
// requested statements, and the preferred one of several signatures.
func TestAttestationChain(t *testing.T) {
	server := fakeregistry.Start(t, fakeregistry.None)
	ref := server.Host + "/app:1"
	to, err := registry.New(registry.Options{}).Repository(t.Context(), ref, false)
	if err != nil {
		t.Fatal(err)
	}
	p := pusher{t, to}
	image := ocispecs.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispecs.MediaTypeImageManifest}
	image.Config = p.blob(ocispecs.MediaTypeImageConfig, `{"os":"linux","architecture":"amd64"}`)
	image.Layers = []ocispecs.Descriptor{p.blob(ocispecs.MediaTypeImageLayer, "layer")}
	target := p.manifest(ocispecs.MediaTypeImageManifest, image)
	target.Platform = &ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	statements := ocispecs.Manifest{Versioned: image.Versioned, MediaType: image.MediaType, Config: p.blob(ocispecs.MediaTypeImageConfig, "{}")}
	for _, kind := range []string{"sbom", "provenance"} {
		d := p.blob("application/vnd.in-toto+json", "statement "+kind)
		d.Annotations = map[string]string{annotationPredicate: kind}
		statements.Layers = append(statements.Layers, d)
	}
	attested := p.manifest(ocispecs.MediaTypeImageManifest, statements)
	attested.Platform = &ocispecs.Platform{OS: "unknown", Architecture: "unknown"}
	attested.Annotations = map[string]string{attestation.DockerAnnotationReferenceType: "attestation-manifest", attestation.DockerAnnotationReferenceDigest: string(target.Digest)}
	var signatures []ocispecs.Descriptor
	for _, kind := range []string{cosignSignature, sigstoreBundle} {
		m := ocispecs.Manifest{Versioned: image.Versioned, MediaType: image.MediaType, ArtifactType: kind, Subject: &attested}
		m.Config = p.blob(kind, "{}") // the registry of the test uses this type as the artifact type
		m.Layers = []ocispecs.Descriptor{p.blob("application/octet-stream", "signature "+kind)}
		signatures = append(signatures, p.manifest(ocispecs.MediaTypeImageManifest, m))
	}
	root := p.manifest(ocispecs.MediaTypeImageIndex, ocispecs.Index{
		Versioned: image.Versioned, MediaType: ocispecs.MediaTypeImageIndex, Manifests: []ocispecs.Descriptor{target, attested},
	})
	img, err := newSources(t).Resolve(t.Context(), ref, target.Platform, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, predicates := range [][]string{nil, {"sbom", "other"}} {
		c, err := img.Attestations(t.Context(), predicates)
		if err != nil {
			t.Fatal(err)
		}
		got := append([]digest.Digest{c.Root, c.ImageManifest, c.AttestationManifest}, c.SignatureManifests...)
		if diff := cmp.Diff([]digest.Digest{root.Digest, target.Digest, attested.Digest, signatures[1].Digest}, got); diff != "" {
			t.Errorf("index, image, attestations and signatures (-want +got):\n%s", diff)
		}
		want := []digest.Digest{root.Digest, attested.Digest, signatures[1].Digest, digest.FromString("signature " + sigstoreBundle)}
		if len(predicates) > 0 {
			want = append(want, statements.Layers[0].Digest)
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(c.Blobs))); diff != "" {
			t.Errorf("blobs with statements %q (-want +got):\n%s", predicates, diff)
		}
		for d, b := range c.Blobs {
			if digest.FromBytes(b.Data) != d || b.Descriptor.Size != int64(len(b.Data)) {
				t.Errorf("blob %s has descriptor %+v and the content %q", d, b.Descriptor, b.Data)
			}
		}
	}
	plain := newSources(t)
	img, err = plain.Resolve(t.Context(), server.Host+"/app@"+string(target.Digest), target.Platform, false)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := img.Attestations(t.Context(), nil); c != nil || err != nil {
		t.Errorf("attestations of an image without an index: %+v, %v, want none", c, err)
	}
}
