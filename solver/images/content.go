package images

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"

	"github.com/containerd/platforms"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/export"
	"slipway/solver/tree"
)

// save stores the manifests and configs of an image or an index, and returns the stored
// content as an Image without a name.
func (n *Names) save(root *export.Root) (*Image, error) {
	out := &Image{}
	switch what := root.Content.(type) {
	case v1.Image:
		return out, n.saveImage(out, what)
	case v1.ImageIndex:
		m, err := what.IndexManifest()
		if err != nil {
			return nil, err
		}
		for _, d := range m.Manifests {
			img, err := what.Image(d.Digest)
			if err != nil {
				return nil, err
			}
			if err := n.saveImage(out, img); err != nil {
				return nil, err
			}
			if export.IsAttestation(d) {
				out.Platforms = out.Platforms[:len(out.Platforms)-1] // an attestation runs nowhere
			}
		}
		return out, n.saveRoot(out, what)
	}
	return nil, fmt.Errorf("cannot store a %T", root.Content)
}

// saveImage stores the manifest and the config of the image img. It adds the image's
// blobs, platform and creation time to out. If the store lacks a layer, saveImage returns
// an error.
func (n *Names) saveImage(out *Image, img v1.Image) error {
	m, err := img.Manifest()
	if err != nil {
		return err
	}
	for _, l := range m.Layers {
		b := tree.Blob{Digest: digest.Digest(l.Digest.String()), Size: l.Size}
		if !n.Store.Has(b) {
			return &tree.BlobError{Digest: b.Digest, Err: fs.ErrNotExist}
		}
		out.add(b)
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return err
	}
	b, err := n.Store.PutBytes(config)
	if err != nil {
		return err
	}
	out.add(b)
	var about ocispecs.Image
	if err := json.Unmarshal(config, &about); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	out.Platforms = append(out.Platforms, platforms.Normalize(about.Platform))
	if about.Created != nil && about.Created.After(out.Created) {
		out.Created = *about.Created
	}
	return n.saveRoot(out, img)
}

// manifestSource provides the raw manifest of an image or an index.
type manifestSource interface {
	partial.Describable
	partial.WithRawManifest
}

// saveRoot stores the manifest of an image or an index, and sets out.Root to the
// descriptor of this manifest. For a multi-platform image, the caller calls it for each
// image and finally for the index.
func (n *Names) saveRoot(out *Image, of manifestSource) error {
	data, err := of.RawManifest()
	if err != nil {
		return err
	}
	mediaType, err := of.MediaType()
	if err != nil {
		return err
	}
	b, err := n.Store.PutBytes(data)
	out.add(b)
	out.Root = ocispecs.Descriptor{MediaType: string(mediaType), Digest: b.Digest, Size: b.Size}
	return err
}

// add appends b to the list of the image's blobs, unless the list already contains it.
func (i *Image) add(b tree.Blob) {
	if !slices.Contains(i.Blobs, b) {
		i.Blobs = append(i.Blobs, b)
	}
}

// Open reads the manifests and configs of a stored image for exporting it. It does not
// read layers.
func (n *Names) Open(img *Image) (*export.Root, error) {
	content, err := export.Load(n.Store, img.Root)
	if err != nil {
		return nil, damagedError(img.Name, err)
	}
	var p *ocispecs.Platform
	if _, ok := content.(v1.Image); ok {
		p = &img.Platforms[0]
	}
	return export.NewRoot(content, p, nil)
}

// Check returns an error if a blob of a stored image is missing or damaged. It reads all
// blobs that this process has not verified yet.
func (n *Names) Check(img *Image) error {
	for _, b := range img.Blobs {
		f, err := n.Store.Open(b)
		if err != nil {
			return damagedError(img.Name, err)
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}
