package remotecache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	cacheconfig "github.com/moby/buildkit/cache/remotecache/v1/types"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver"
	"slipway/solver/snapshot"
)

// maxPlatforms is the maximum number of images in one index from which inline caches are
// read.
const maxPlatforms = 64

// imageConfig contains the fields of an image config that matter for inline caches.
type imageConfig struct {
	RootFS  ocispecs.RootFS    `json:"rootfs"`
	History []ocispecs.History `json:"history"`
	// Cache is the inline cache: records of a cache config, encoded as JSON. Their results
	// refer to the layers of the image by index.
	Cache []byte `json:"moby.buildkit.cache.v0"`
}

// layerTimes returns the creation times of the layers, as far as the history contains them.
func (c imageConfig) layerTimes() (times []string) {
	for _, h := range c.History {
		switch {
		case h.EmptyLayer:
		case h.Created == nil:
			times = append(times, "")
		default:
			times = append(times, h.Created.UTC().Format(time.RFC3339Nano))
		}
	}
	return times
}

// openInline reads the inline caches of an image or of all images of an index. The
// parameter data is the manifest of the image or index. The parameter from is the name of
// the cache in messages.
func openInline(ctx context.Context, s storage, from string, data []byte) ([]*Cache, error) {
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	images := []manifest{m}
	if len(m.Manifests) > 0 {
		if len(m.Manifests) > maxPlatforms {
			return nil, fmt.Errorf("the index has %d images, more than %d", len(m.Manifests), maxPlatforms)
		}
		images = nil
		for _, d := range m.Manifests {
			img, err := imageManifest(ctx, s, d.Digest)
			if err != nil {
				return nil, err
			}
			images = append(images, img)
		}
	}
	var caches []*Cache
	for _, img := range images {
		c, err := inlineCache(ctx, s, from, img)
		if err != nil {
			return nil, err
		}
		if c != nil {
			caches = append(caches, c)
		}
	}
	if len(caches) == 0 {
		return nil, errors.New("is no build cache, and no image with one")
	}
	return caches, nil
}

// imageManifest reads the manifest of the image with the digest d.
func imageManifest(ctx context.Context, s storage, d digest.Digest) (manifest, error) {
	var m manifest
	data, err := s.manifest(ctx, d)
	if err != nil {
		return m, err
	}
	if got := digest.FromBytes(data); got != d {
		return m, fmt.Errorf("digest is %s instead of %s", got, d)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("manifest: %w", err)
	}
	return m, nil
}

// inlineCache returns the inline cache of the image with manifest m, or nil if the image
// has no inline cache.
func inlineCache(ctx context.Context, s storage, from string, m manifest) (*Cache, error) {
	if m.Config.Digest == "" || len(m.Layers) == 0 {
		return nil, nil
	}
	data, err := readBlob(ctx, s, m.Config)
	if err != nil {
		return nil, err
	}
	config, layers, err := inlineConfig(data, m.Layers)
	if err != nil || config == nil {
		return nil, err
	}
	return newCache(s, from, config, layers), nil
}

// inlineConfig extracts the inline cache from an image config and converts it to a cache
// config. The parameter data is the image config, and layers are the layers in the
// image's manifest. The second result contains these layers by digest. If the image has
// no inline cache, both results are nil.
func inlineConfig(data []byte, layers []ocispecs.Descriptor) (*cacheconfig.CacheConfig, map[digest.Digest]ocispecs.Descriptor, error) {
	var img imageConfig
	if err := json.Unmarshal(data, &img); err != nil {
		return nil, nil, fmt.Errorf("image config: %w", err)
	}
	if img.Cache == nil {
		return nil, nil, nil
	}
	if len(layers) != len(img.RootFS.DiffIDs) {
		return nil, nil, fmt.Errorf("image config: lists %d layers, but the manifest %d", len(img.RootFS.DiffIDs), len(layers))
	}
	var c cacheconfig.CacheConfig
	if err := json.Unmarshal(img.Cache, &c.Records); err != nil {
		return nil, nil, fmt.Errorf("image config: cache: %w", err)
	}
	byDigest, created := map[digest.Digest]ocispecs.Descriptor{}, img.layerTimes()
	for i, d := range layers {
		d.Annotations = map[string]string{uncompressed: string(img.RootFS.DiffIDs[i])}
		if i < len(created) {
			d.Annotations[createdAt] = created[i]
		}
		byDigest[d.Digest] = d
		c.Layers = append(c.Layers, cacheconfig.CacheLayer{Blob: d.Digest, ParentIndex: i - 1})
	}
	if err := checkConfig(&c); err != nil {
		return nil, nil, fmt.Errorf("image config: cache: %w", err)
	}
	return &c, byDigest, nil
}

// Inline returns the inline cache to embed in the config of an image. The parameter main
// is the snapshot of the image, and blobs are its layers. The cache contains a record's result only
// if the image has all layers of the result. If there is no such result, Inline returns nil. Equal
// images get equal caches, because a result gets the creation time of its top layer.
func (x *Exporter) Inline(records []solver.ChainRecord, main *snapshot.Snapshot, blobs []*snapshot.LayerBlob) ([]byte, error) {
	layers, err := layerIDs(main)
	if err != nil {
		return nil, err
	}
	index := map[string]int{} // index of the lowest layer by id
	for i, id := range slices.Backward(layers) {
		index[id] = i
	}
	var list []cacheconfig.CacheRecord
	hasResult := false
	for _, r := range records {
		rec := newRecord(r)
		ids, err := x.layerIDs(r)
		if err != nil {
			return nil, err
		}
		at := positions(ids, index)
		switch {
		case len(at) == 0:
		case len(ids) <= len(layers) && slices.Equal(ids, layers[:len(ids)]):
			top := len(ids) - 1
			rec.Results = []cacheconfig.CacheResult{{LayerIndex: top, CreatedAt: x.createdAt(*blobs[top])}}
		default:
			rec.ChainedResults = []cacheconfig.ChainedResult{{LayerIndexes: at, CreatedAt: x.createdAt(*blobs[at[len(at)-1]])}}
		}
		hasResult = hasResult || len(at) > 0
		list = append(list, rec)
	}
	if !hasResult {
		return nil, nil
	}
	return json.Marshal(list)
}

// layerIDs returns the id of each layer in the result of the record r, as layerID defines
// it.
func (x *Exporter) layerIDs(r solver.ChainRecord) ([]string, error) {
	if r.Imported == "" {
		return layerIDs(r.Result)
	}
	res, err := x.Imports.find(r.Imported)
	if err != nil {
		return nil, err
	}
	layers, err := res.blobs()
	var ids []string
	for _, l := range layers {
		ids = append(ids, string(l.DiffID))
	}
	return ids, err
}

// layerIDs returns the id of each layer of s, as layerID defines it.
func layerIDs(s *snapshot.Snapshot) ([]string, error) {
	layers, err := s.Layers()
	var ids []string
	for _, l := range layers {
		ids = append(ids, layerID(l))
	}
	return ids, err
}

// positions returns the position of each layer id. The map index contains the positions.
// If the map lacks an id, positions returns nil.
func positions(ids []string, index map[string]int) []int {
	at := make([]int, len(ids))
	for i, id := range ids {
		var ok bool
		if at[i], ok = index[id]; !ok {
			return nil
		}
	}
	return at
}
