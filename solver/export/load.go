package export

import (
	"encoding/json"
	"errors"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/tree"
)

// Load reads the image or the index with descriptor d from a store, including the
// manifests and configs of its images. It does not read layers.
func Load(store *tree.Store, d ocispecs.Descriptor) (partial.Describable, error) {
	if d.MediaType != string(types.OCIImageIndex) {
		return storedImage(store, d)
	}
	x := &index{images: map[v1.Hash]v1.Image{}}
	var err error
	if x.raw, err = readBlob(store, d); err != nil {
		return nil, err
	}
	var m ocispecs.Index
	if err := json.Unmarshal(x.raw, &m); err != nil {
		return nil, err
	}
	for _, d := range m.Manifests {
		hash, err := v1.NewHash(string(d.Digest))
		if err != nil {
			return nil, err
		}
		if x.images[hash], err = storedImage(store, d); err != nil {
			return nil, err
		}
	}
	return x, nil
}

func storedImage(store *tree.Store, d ocispecs.Descriptor) (v1.Image, error) {
	img := &image{store: store, layers: map[v1.Hash]ocispecs.Descriptor{}}
	var err error
	if img.manifest, err = readBlob(store, d); err != nil {
		return nil, err
	}
	var m ocispecs.Manifest
	if err := json.Unmarshal(img.manifest, &m); err != nil {
		return nil, err
	}
	if img.config, err = readBlob(store, m.Config); err != nil {
		return nil, err
	}
	for _, l := range m.Layers {
		hash, err := v1.NewHash(string(l.Digest))
		if err != nil {
			return nil, err
		}
		img.layers[hash] = l
	}
	return partial.CompressedToImage(img)
}

func readBlob(store *tree.Store, d ocispecs.Descriptor) ([]byte, error) {
	f, err := store.Open(tree.Blob{Digest: d.Digest, Size: d.Size})
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(f)
	return data, errors.Join(err, f.Close())
}
