package export

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/inorder"
	"slipway/solver/snapshot"
	"slipway/solver/track"
	"slipway/solver/tree"
)

// PlatformResult is the result of a build for one platform, from which an image is
// created.
type PlatformResult struct {
	Snapshot *snapshot.Snapshot // nil if the result has no files
	Config   []byte             // the frontend's image config as JSON, without layers; nil means a default
	Base     []byte             // config of the base image as JSON; nil without a base image
	Platform ocispecs.Platform
	ID       string // the frontend's ID of the platform, such as linux/amd64; names directories of files

	// Epoch is SOURCE_DATE_EPOCH: the latest time that the config may contain, except in
	// the base image's part of the history. If it is nil, times are not changed.
	Epoch *time.Time
	// RewriteTimes applies Epoch to the files in all layers as well, except in layers of
	// the base image.
	RewriteTimes bool

	Annotations map[string]string // annotations of the manifest
	// Cache returns the inline cache of an image with the given layers, or nil if the image has none.
	// It may be nil.
	Cache func(layers []*snapshot.LayerBlob) ([]byte, error)

	Attestations []Attestation // attestations of the result; [Exporter.Image] ignores them
}

// Exporter creates images from build results. Not safe for concurrent use.
type Exporter struct {
	Store  *tree.Store
	Layers *Layers
	Now    time.Time // creation time of images with an empty history
	Types  MediaTypes
}

// image represents an image whose layers are in the store.
type image struct {
	store    *tree.Store
	types    MediaTypes
	config   []byte
	manifest []byte
	layers   map[v1.Hash]ocispecs.Descriptor
}

// Image creates the image for a result. It stores missing layer blobs, but neither the
// manifest nor the config. It also returns the blobs, which attestations of the image describe.
func (x *Exporter) Image(ctx context.Context, r PlatformResult) (v1.Image, *Blobs, error) {
	img := &image{store: x.Store, types: x.Types, layers: map[v1.Hash]ocispecs.Descriptor{}}
	m := ocispecs.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: x.Types.manifest(), Layers: []ocispecs.Descriptor{}, Annotations: r.Annotations}
	layers, err := r.Snapshot.Layers()
	if err != nil {
		return nil, nil, err
	}
	blobs, err := x.blobs(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	made := x.Blobs()
	for i, b := range blobs {
		hash, err := v1.NewHash(string(b.Descriptor.Digest))
		if err != nil {
			return nil, nil, err
		}
		d := b.Descriptor
		d.MediaType = x.Types.Layer(d.MediaType)
		img.layers[hash] = d
		m.Layers = append(m.Layers, d)
		made.Layers = append(made.Layers, ImageLayer{layers[i].LayerRef, d})
	}
	if img.config, err = x.config(r, blobs); err != nil {
		return nil, nil, err
	}
	m.Config = ocispecs.Descriptor{MediaType: x.Types.config(), Digest: digest.FromBytes(img.config), Size: int64(len(img.config))}
	if img.manifest, err = json.MarshalIndent(m, "", "  "); err != nil {
		return nil, nil, err
	}
	track.Start(ctx, "exporting manifest "+digest.FromBytes(img.manifest).String(), 0).Done()
	track.Start(ctx, "exporting config "+m.Config.Digest.String(), 0).Done()
	whole, err := partial.CompressedToImage(img)
	return whole, made, err
}

// blobs returns the layer blobs for the image of the result r, and creates missing ones.
// If r.RewriteTimes is set, it creates the layers above the base image from their files,
// even layers from an imported cache.
func (x *Exporter) blobs(ctx context.Context, r PlatformResult) ([]*snapshot.LayerBlob, error) {
	base, err := r.base()
	if err != nil {
		return nil, err
	}
	layers, err := r.Snapshot.Layers()
	if err != nil {
		return nil, err
	}
	t := track.Start(ctx, "exporting layers", 0)
	defer t.Done()
	x.Layers.Written = t.Add
	ofBase := base.RootFS.DiffIDs
	for i, l := range layers[:min(len(ofBase), len(layers))] {
		if l.Blob == nil || l.Blob.DiffID != ofBase[i] {
			ofBase = ofBase[:i] // the layers above this one do not come from the base either
			break
		}
	}
	fillCreated(layers)
	blobs := make([]*snapshot.LayerBlob, len(layers))
	err = inorder.Do(ctx, len(layers), parallelLayers, func(ctx context.Context, i int) error {
		var latest *time.Time
		if r.RewriteTimes && i >= len(ofBase) {
			latest = r.Epoch
		}
		b, err := x.Layers.Blob(ctx, layers[i], latest)
		if err == nil && latest != nil {
			b = rewritten(b, *latest)
		}
		blobs[i] = b
		return err
	})
	return blobs, err
}

// fillCreated sets the creation time of layers whose time is unknown to the time of the next layer with a
// known time, so that no layer is newer than those above it.
func fillCreated(layers []snapshot.Layer) {
	var next time.Time
	for i := range slices.Backward(layers) {
		if layers[i].Created.IsZero() {
			layers[i].Created = next
		}
		next = layers[i].Created
	}
}

// rewritten returns a copy of a blob whose descriptor says that the times of its files were
// limited, as in BuildKit.
func rewritten(b *snapshot.LayerBlob, latest time.Time) *snapshot.LayerBlob {
	c := *b
	c.Descriptor.Annotations = map[string]string{"buildkit/rewritten-timestamp": strconv.FormatInt(latest.Unix(), 10)}
	return &c
}

// parallelLayers is the maximum number of layers that are created concurrently.
const parallelLayers = 4

// RawConfigFile implements [partial.CompressedImageCore].
func (i *image) RawConfigFile() ([]byte, error) { return i.config, nil }

// RawManifest implements [partial.CompressedImageCore].
func (i *image) RawManifest() ([]byte, error) { return i.manifest, nil }

// MediaType implements [partial.CompressedImageCore].
func (i *image) MediaType() (types.MediaType, error) {
	return types.MediaType(i.types.manifest()), nil
}

// LayerByDigest implements [partial.CompressedImageCore].
func (i *image) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	d, ok := i.layers[h]
	if !ok {
		if h.String() == digest.FromBytes(i.config).String() {
			return partial.ConfigLayer(i)
		}
		return nil, fmt.Errorf("layer %s does not exist", h)
	}
	return &compressedLayer{i.store, h, d}, nil
}

// compressedLayer is a layer of an [image].
type compressedLayer struct {
	store *tree.Store
	hash  v1.Hash
	desc  ocispecs.Descriptor
}

// Digest implements [partial.CompressedLayer].
func (l *compressedLayer) Digest() (v1.Hash, error) { return l.hash, nil }

// Size implements [partial.CompressedLayer].
func (l *compressedLayer) Size() (int64, error) { return l.desc.Size, nil }

// MediaType implements [partial.CompressedLayer].
func (l *compressedLayer) MediaType() (types.MediaType, error) {
	return types.MediaType(l.desc.MediaType), nil
}

// Compressed implements [partial.CompressedLayer].
func (l *compressedLayer) Compressed() (io.ReadCloser, error) {
	return l.store.Open(tree.Blob{Digest: l.desc.Digest, Size: l.desc.Size})
}

// IndexEntry is an image that an image index lists.
type IndexEntry struct {
	Image       v1.Image
	Platform    ocispecs.Platform
	Annotations map[string]string // annotations of the image's descriptor in the index
}

// Index creates an image index that lists entries in the given order. The parameter
// annotations contains the annotations of the index itself.
func Index(entries []IndexEntry, annotations map[string]string, mediaTypes MediaTypes) (v1.ImageIndex, error) {
	m := v1.IndexManifest{SchemaVersion: 2, MediaType: types.MediaType(mediaTypes.Index()), Annotations: annotations}
	x := &index{types: mediaTypes, images: map[v1.Hash]v1.Image{}}
	for _, e := range entries {
		d, err := partial.Descriptor(e.Image)
		if err != nil {
			return nil, err
		}
		d.Platform = platformOf(e.Platform)
		d.Annotations, d.ArtifactType = e.Annotations, ""
		m.Manifests = append(m.Manifests, *d)
		x.images[d.Digest] = e.Image
	}
	var err error
	x.raw, err = json.MarshalIndent(m, "", "  ")
	return x, err
}

// index is a [v1.ImageIndex] whose images are in memory.
type index struct {
	types  MediaTypes
	raw    []byte
	images map[v1.Hash]v1.Image
}

// MediaType implements [v1.ImageIndex].
func (x *index) MediaType() (types.MediaType, error) { return types.MediaType(x.types.Index()), nil }

// Digest implements [v1.ImageIndex].
func (x *index) Digest() (v1.Hash, error) { return partial.Digest(x) }

// Size implements [v1.ImageIndex].
func (x *index) Size() (int64, error) { return partial.Size(x) }

// RawManifest implements [v1.ImageIndex].
func (x *index) RawManifest() ([]byte, error) { return x.raw, nil }

// IndexManifest implements [v1.ImageIndex].
func (x *index) IndexManifest() (*v1.IndexManifest, error) {
	return v1.ParseIndexManifest(bytes.NewReader(x.raw))
}

// Image implements [v1.ImageIndex].
func (x *index) Image(h v1.Hash) (v1.Image, error) {
	img, ok := x.images[h]
	if !ok {
		return nil, fmt.Errorf("image %s does not exist", h)
	}
	return img, nil
}

// ImageIndex implements [v1.ImageIndex].
func (x *index) ImageIndex(h v1.Hash) (v1.ImageIndex, error) {
	return nil, fmt.Errorf("index %s does not exist", h)
}
