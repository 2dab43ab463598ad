package llbsource

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/util/attestation"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Artifact types of signatures, the preferred one first.
const (
	sigstoreBundle  = "application/vnd.dev.sigstore.bundle.v0.3+json"
	cosignSignature = "application/vnd.dev.cosign.artifact.sig.v1+json"
)

// annotationPredicate is the annotation with the predicate type of an in-toto statement.
const annotationPredicate = "in-toto.io/predicate-type"

// referrers is an [imageStore] that also finds the manifests that refer to another one. Images in
// the state directory and in layouts have none.
type referrers interface {
	referrers(ctx context.Context, d digest.Digest) ([]ocispecs.Descriptor, error)
}

// Attestations returns the attestations of the image and their signature: the index, the manifest
// with the attestations for the platform of the image, and the manifest and layers of its
// signature. It also reads the in-toto statements with the given predicate types. If the image is
// not in an OCI index, it returns nil.
//
// Upstream: an image has at most one signature, and a sigstore bundle is preferred.
func (i *Image) Attestations(ctx context.Context, predicates []string) (*sourceresolver.AttestationChain, error) {
	c := &attestationReader{image: i, chain: &sourceresolver.AttestationChain{
		Root: i.resolved, ImageManifest: i.digest, Blobs: map[digest.Digest]sourceresolver.Blob{},
	}}
	root := ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageIndex, Digest: i.resolved}
	data, err := c.add(ctx, root)
	if err != nil {
		return nil, err
	}
	var idx ocispecs.Index
	if err := json.Unmarshal(data, &idx); err != nil {
		return nil, fmt.Errorf("index %s: %w", i.resolved, err)
	}
	if idx.MediaType != ocispecs.MediaTypeImageIndex {
		return nil, nil
	}
	of := slices.IndexFunc(idx.Manifests, func(d ocispecs.Descriptor) bool {
		return d.Annotations[attestation.DockerAnnotationReferenceType] == attestation.DockerAnnotationReferenceTypeDefault &&
			d.Annotations[attestation.DockerAnnotationReferenceDigest] == string(i.digest)
	})
	if of < 0 {
		return c.chain, nil
	}
	d := idx.Manifests[of]
	c.chain.AttestationManifest = d.Digest
	layers, err := c.addManifest(ctx, d)
	if err != nil {
		return nil, err
	}
	for _, l := range layers {
		if !slices.Contains(predicates, l.Annotations[annotationPredicate]) {
			continue
		}
		if _, err := c.add(ctx, l); err != nil {
			return nil, err
		}
	}
	return c.chain, c.addSignature(ctx, d.Digest)
}

// attestationReader reads the blobs of an attestation chain.
type attestationReader struct {
	image *Image
	chain *sourceresolver.AttestationChain
}

// addSignature adds the signature of the manifest with digest of to the chain, if it has one.
func (c *attestationReader) addSignature(ctx context.Context, of digest.Digest) error {
	from, ok := c.image.from.(referrers)
	if !ok {
		return nil
	}
	list, err := from.referrers(ctx, of)
	if err != nil {
		return fmt.Errorf("signatures of %s: %w", of, err)
	}
	for _, kind := range []string{sigstoreBundle, cosignSignature} {
		i := slices.IndexFunc(list, func(d ocispecs.Descriptor) bool { return d.ArtifactType == kind })
		if i < 0 {
			continue
		}
		c.chain.SignatureManifests = []digest.Digest{list[i].Digest}
		layers, err := c.addManifest(ctx, list[i])
		if err != nil {
			return err
		}
		for _, l := range layers {
			if _, err := c.add(ctx, l); err != nil {
				return err
			}
		}
		return nil
	}
	return nil
}

// addManifest adds a manifest to the chain, and returns its layers.
func (c *attestationReader) addManifest(ctx context.Context, d ocispecs.Descriptor) ([]ocispecs.Descriptor, error) {
	data, err := c.add(ctx, d)
	if err != nil {
		return nil, err
	}
	var m ocispecs.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	return m.Layers, nil
}

// add adds the blob with descriptor d to the chain, and returns its content.
func (c *attestationReader) add(ctx context.Context, d ocispecs.Descriptor) ([]byte, error) {
	data, err := c.image.smallBlob(d.Digest, func() (io.ReadCloser, error) {
		if d.MediaType != ocispecs.MediaTypeImageIndex && d.MediaType != ocispecs.MediaTypeImageManifest {
			return c.image.from.blob(ctx, d)
		}
		data, err := c.image.from.manifest(ctx, d)
		return io.NopCloser(bytes.NewReader(data)), err
	})
	if err != nil {
		return nil, err
	}
	if d.Size == 0 {
		d.Size = int64(len(data))
	}
	c.chain.Blobs[d.Digest] = sourceresolver.Blob{Descriptor: d, Data: data}
	return data, nil
}
