package export

import (
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// Blobs contains the blobs of an image's layers, and finds blobs of other layers of the build.
type Blobs struct {
	// Layers are the layers of the image, lowest first. The files of a build that are not an image
	// have none.
	Layers []ImageLayer

	other *Layers
}

// ImageLayer is a layer of an image.
type ImageLayer struct {
	tree.LayerRef
	Descriptor ocispecs.Descriptor // of its blob
}

// Blobs returns the blobs for results that are not exported as an image.
func (x *Exporter) Blobs() *Blobs { return &Blobs{other: x.Layers} }

// Of returns the descriptors of the layers of a snapshot, lowest first. A layer of the image has the
// blob in the image. Other layers have the blob that exists already. If a layer has no blob, Of
// returns nil.
func (b *Blobs) Of(s *snapshot.Snapshot) ([]ocispecs.Descriptor, error) {
	layers, err := s.Layers()
	if err != nil {
		return nil, err
	}
	list := make([]ocispecs.Descriptor, len(layers))
	for i, l := range layers {
		if i < len(b.Layers) && b.Layers[i].Same(l.LayerRef) {
			list[i] = b.Layers[i].Descriptor
			continue
		}
		blob := b.other.existing(l)
		if blob == nil {
			return nil, nil
		}
		list[i] = blob.Descriptor
	}
	return list, nil
}
