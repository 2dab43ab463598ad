package export

import (
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/moby/buildkit/util/attestation"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/tree"
)

// Attestation is an in-toto attestation of a build result, such as its SBOM or its provenance.
type Attestation struct {
	Name          string // file name in directories and tar archives: provenance.json
	PredicateType string // https://slsa.dev/provenance/v1
	// Subjects lists what the attestation is about. If it is nil, the attestation is about the
	// result.
	Subjects []Subject
	// InlineOnly omits the attestation from files and directories, and from an image that would
	// not need an index without it.
	InlineOnly bool
	// Predicate returns the content as JSON. It is called after the layers were created, with their
	// blobs.
	Predicate func(*Blobs) ([]byte, error)
}

// Subject is an artifact that an attestation is about.
type Subject struct {
	Name string `json:"name"`
	// Digest maps algorithms to hexadecimal digests. If it is nil, the subject is the build
	// result, and Name is an additional name for it.
	Digest map[string]string `json:"digest"`
}

// statement is an in-toto statement.
//
// See https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md.
type statement struct {
	Type          string          `json:"_type"`
	PredicateType string          `json:"predicateType"`
	Subject       []Subject       `json:"subject"`
	Predicate     json.RawMessage `json:"predicate"`
}

// statement returns the in-toto statement of the attestation. The subjects self are the names
// and digests of the build result, and blobs are its blobs.
func (a Attestation) statement(self []Subject, blobs *Blobs) (*statement, error) {
	s := &statement{Type: "https://in-toto.io/Statement/v1", PredicateType: a.PredicateType, Subject: []Subject{}}
	var err error
	if s.Predicate, err = a.Predicate(blobs); err != nil {
		return nil, err
	}
	if len(s.Predicate) == 0 {
		s.Predicate = nil // encoded as null, as in BuildKit
	}
	list := a.Subjects
	if len(list) == 0 {
		list = []Subject{{}}
	}
	for _, subject := range list {
		if subject.Name == "" && subject.Digest != nil {
			subject.Name = "_"
		}
		if subject.Digest != nil {
			s.Subject = append(s.Subject, subject)
			continue
		}
		for _, own := range self {
			s.Subject = append(s.Subject, own)
			if subject.Name != "" && subject.Name != "_" {
				s.Subject = append(s.Subject, Subject{subject.Name, own.Digest})
			}
		}
	}
	return s, nil
}

// Statement returns the in-toto statement of the attestation as indented JSON. The subjects self
// are the names and digests of the build result, and blobs are its blobs.
func (a Attestation) Statement(self []Subject, blobs *Blobs) ([]byte, error) {
	s, err := a.statement(self, blobs)
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(s, "", "  ")
}

// Media types and an annotation of attestations in images, as in BuildKit.
const (
	attestationArtifact     = "application/vnd.docker.attestation.manifest.v1+json"
	statementType           = "application/vnd.in-toto+json"
	predicateTypeAnnotation = "in-toto.io/predicate-type"
)

// AttestedImage is an image that attestations are about.
type AttestedImage struct {
	Image v1.Image
	Names []Subject
	Blobs *Blobs
}

// AttestationEntry returns the entry of an image index for the attestations of an image in the
// index. It stores the statements as layers of a manifest of their own. If artifact is true, the
// manifest is an OCI artifact that refers to the image, otherwise an image for an unknown platform.
func AttestationEntry(store *tree.Store, of AttestedImage, list []Attestation, artifact bool) (*IndexEntry, error) {
	target, err := partial.Descriptor(of.Image)
	if err != nil {
		return nil, err
	}
	m := ocispecs.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispecs.MediaTypeImageManifest}
	img := &image{store: store, layers: map[v1.Hash]ocispecs.Descriptor{}}
	for _, a := range list {
		d, err := a.store(store, of)
		if err != nil {
			return nil, fmt.Errorf("attestation %s: %w", a.Name, err)
		}
		hash, err := v1.NewHash(string(d.Digest))
		if err != nil {
			return nil, err
		}
		img.layers[hash] = d
		m.Layers = append(m.Layers, d)
	}
	unknown := ocispecs.Platform{Architecture: "unknown", OS: "unknown"}
	m.Config, img.config = ocispecs.DescriptorEmptyJSON, ocispecs.DescriptorEmptyJSON.Data
	if artifact {
		m.ArtifactType = attestationArtifact
		m.Subject = &ocispecs.Descriptor{MediaType: string(target.MediaType), Digest: digest.Digest(target.Digest.String()), Size: target.Size}
	} else {
		config := ocispecs.Image{Platform: unknown, RootFS: ocispecs.RootFS{Type: "layers"}}
		for _, l := range m.Layers {
			config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.Digest)
		}
		if img.config, err = json.Marshal(config); err != nil {
			return nil, err
		}
		m.Config = ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageConfig, Digest: digest.FromBytes(img.config), Size: int64(len(img.config))}
	}
	if img.manifest, err = json.MarshalIndent(m, "", "  "); err != nil {
		return nil, err
	}
	whole, err := partial.CompressedToImage(img)
	return &IndexEntry{Image: whole, Platform: unknown, Annotations: map[string]string{
		attestation.DockerAnnotationReferenceType:   attestation.DockerAnnotationReferenceTypeDefault,
		attestation.DockerAnnotationReferenceDigest: target.Digest.String(),
	}}, err
}

// store stores the statement of the attestation about an image, and returns its descriptor.
func (a Attestation) store(store *tree.Store, of AttestedImage) (d ocispecs.Descriptor, err error) {
	s, err := a.statement(of.Names, of.Blobs)
	if err != nil {
		return d, err
	}
	data, err := json.Marshal(s)
	if err != nil {
		return d, err
	}
	b, err := store.PutBytes(data)
	return ocispecs.Descriptor{MediaType: statementType, Digest: b.Digest, Size: b.Size, Annotations: map[string]string{predicateTypeAnnotation: a.PredicateType}}, err
}

// IsAttestation reports whether an entry of an image index is for attestations of an image in
// the index.
func IsAttestation(d v1.Descriptor) bool {
	return d.Annotations[attestation.DockerAnnotationReferenceType] == attestation.DockerAnnotationReferenceTypeDefault
}
