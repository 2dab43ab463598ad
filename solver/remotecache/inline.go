package remotecache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	cacheconfig "github.com/moby/buildkit/cache/remotecache/v1/types"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver"
	"slipway/solver/snapshot"
)

// maxPlatforms is the maximum number of images in an index.
const maxPlatforms = 64

// imageConfig is the part of an image config that is read.
type imageConfig struct {
	RootFS ocispecs.RootFS `json:"rootfs"`
	// Cache contains the cache records of the build. Their layers are the layers of the
	// image, each with the previous one as its parent.
	Cache []byte `json:"moby.buildkit.cache.v0"`
}

// openInline reads the inline caches of images.
func openInline(ctx context.Context, p place, from string, data []byte) ([]*Cache, error) {
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
			img, err := imageManifest(ctx, p, d.Digest)
			if err != nil {
				return nil, err
			}
			images = append(images, img)
		}
	}
	var caches []*Cache
	for _, img := range images {
		c, err := inlineCache(ctx, p, from, img)
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

func imageManifest(ctx context.Context, p place, d digest.Digest) (manifest, error) {
	var m manifest
	data, err := p.manifest(ctx, d)
	if err != nil {
		return m, err
	}
	if got := digest.FromBytes(data); got != d {
		return m, fmt.Errorf("%s came instead of %s", got, d)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("manifest: %w", err)
	}
	return m, nil
}

// inlineCache returns the cache of an image, or nil if the image has none.
func inlineCache(ctx context.Context, p place, from string, m manifest) (*Cache, error) {
	if m.Config.Digest == "" || len(m.Layers) == 0 {
		return nil, nil
	}
	data, err := readBlob(ctx, p, m.Config)
	if err != nil {
		return nil, err
	}
	config, layers, err := inlineConfig(data, m.Layers)
	if err != nil || config == nil {
		return nil, err
	}
	return newCache(p, from, config, layers), nil
}

// inlineConfig returns the inline cache of an image config as a cache config, and the
// layers by digest. If the image config has no inline cache, the cache config is nil.
func inlineConfig(data []byte, layers []ocispecs.Descriptor) (*cacheconfig.CacheConfig, map[digest.Digest]ocispecs.Descriptor, error) {
	var img imageConfig
	if err := json.Unmarshal(data, &img); err != nil {
		return nil, nil, fmt.Errorf("image config: %w", err)
	}
	if img.Cache == nil {
		return nil, nil, nil
	}
	if len(layers) != len(img.RootFS.DiffIDs) {
		return nil, nil, fmt.Errorf("image config: lists %d layers, there are %d", len(img.RootFS.DiffIDs), len(layers))
	}
	var c cacheconfig.CacheConfig
	if err := json.Unmarshal(img.Cache, &c.Records); err != nil {
		return nil, nil, fmt.Errorf("image config: cache: %w", err)
	}
	known := map[digest.Digest]ocispecs.Descriptor{}
	for i, d := range layers {
		d.Annotations = map[string]string{uncompressed: string(img.RootFS.DiffIDs[i])}
		known[d.Digest] = d
		c.Layers = append(c.Layers, cacheconfig.CacheLayer{Blob: d.Digest, ParentIndex: i - 1})
	}
	if err := checkConfig(&c); err != nil {
		return nil, nil, fmt.Errorf("image config: cache: %w", err)
	}
	return &c, known, nil
}

// Inline returns the inline cache for the config of an image with the layers of main. If
// no record has a result in these layers, it returns nil.
func (x *Exporter) Inline(records []solver.ChainRecord, main *snapshot.Snapshot) ([]byte, error) {
	var layers []string
	for _, l := range main.Layers() {
		layers = append(layers, layerID(l))
	}
	var list []cacheconfig.CacheRecord
	useful := false
	for _, r := range records {
		rec := newRecord(r)
		made, err := x.layerIDs(r)
		if err != nil {
			return nil, err
		}
		at := positions(made, layers)
		switch {
		case len(at) == 0:
		case len(made) <= len(layers) && slices.Equal(made, layers[:len(made)]):
			rec.Results = []cacheconfig.CacheResult{{LayerIndex: len(made) - 1, CreatedAt: x.Now}}
		default:
			rec.ChainedResults = []cacheconfig.ChainedResult{{LayerIndexes: at, CreatedAt: x.Now}}
		}
		useful = useful || len(at) > 0
		list = append(list, rec)
	}
	if !useful {
		return nil, nil
	}
	return json.Marshal(list)
}

// layerIDs returns the ids of the layers of a result.
func (x *Exporter) layerIDs(r solver.ChainRecord) ([]string, error) {
	var ids []string
	if r.Imported == "" {
		for _, l := range r.Result.Layers() {
			ids = append(ids, layerID(l))
		}
		return ids, nil
	}
	res, err := x.Imports.find(r.Imported)
	if err != nil {
		return nil, err
	}
	layers, err := res.blobs()
	for _, l := range layers {
		ids = append(ids, string(l.DiffID))
	}
	return ids, err
}

// positions returns the indexes of layers in a list, or nil if one of them is missing.
func positions(layers, in []string) []int {
	var at []int
	for _, l := range layers {
		i := slices.Index(in, l)
		if i < 0 {
			return nil
		}
		at = append(at, i)
	}
	return at
}
