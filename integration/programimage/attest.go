package programimage

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/moby/buildkit/util/attestation"

	"slipway/solver/export"
)

// An Attestation is an in-toto attestation about an image.
type Attestation struct {
	PredicateType string // such as https://slsa.dev/provenance/v1
	Predicate     []byte // JSON
}

// attest returns the index entry for the attestations about the image of b.
func (s Spec) attest(b Binary, img v1.Image) (entry mutate.IndexAddendum, err error) {
	digest, err := img.Digest()
	if err != nil {
		return entry, err
	}
	list, err := s.Attest(b)
	if err != nil {
		return entry, err
	}
	var layers []mutate.Addendum
	for _, a := range list {
		l, err := a.layer(digest)
		if err != nil {
			return entry, err
		}
		layers = append(layers, l)
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	made, err := mutate.Append(base, layers...)
	if err != nil {
		return entry, err
	}
	cf, err := made.ConfigFile()
	if err != nil {
		return entry, err
	}
	unknown := v1.Platform{OS: "unknown", Architecture: "unknown"}
	made, err = mutate.ConfigFile(made, &v1.ConfigFile{OS: unknown.OS, Architecture: unknown.Architecture, RootFS: cf.RootFS})
	return mutate.IndexAddendum{Add: made, Descriptor: v1.Descriptor{
		Platform: &unknown,
		Annotations: map[string]string{
			attestation.DockerAnnotationReferenceType:   attestation.DockerAnnotationReferenceTypeDefault,
			attestation.DockerAnnotationReferenceDigest: digest.String(),
		},
	}}, err
}

// layer returns the layer with the in-toto statement of a about the image of the given digest.
func (a Attestation) layer(digest v1.Hash) (mutate.Addendum, error) {
	subject := export.Subject{Name: "_", Digest: map[string]string{digest.Algorithm: digest.Hex}}
	statement, err := export.Attestation{
		PredicateType: a.PredicateType,
		Predicate:     func(*export.Blobs) ([]byte, error) { return a.Predicate, nil },
	}.Statement([]export.Subject{subject}, nil)
	return mutate.Addendum{
		Layer:       static.NewLayer(statement, "application/vnd.in-toto+json"),
		MediaType:   "application/vnd.in-toto+json",
		Annotations: map[string]string{"in-toto.io/predicate-type": a.PredicateType},
	}, err
}
