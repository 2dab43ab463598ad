package remotecache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// place is a registry or directory that stores a cache.
type place interface {
	// manifest returns the manifest with digest d. If d is "", it returns the manifest of
	// the cache. The caller must verify the content.
	manifest(ctx context.Context, d digest.Digest) ([]byte, error)
	// open opens a blob. The caller must verify the content.
	open(ctx context.Context, d ocispecs.Descriptor) (io.ReadCloser, error)
	// put stores a blob. It calls open only if the blob does not exist yet.
	put(ctx context.Context, d ocispecs.Descriptor, open func() (io.ReadCloser, error)) error
	// name stores a manifest and tags it as the cache.
	name(ctx context.Context, d ocispecs.Descriptor, manifest []byte) error
}

// readBlob reads a small blob and verifies its digest.
func readBlob(ctx context.Context, p place, d ocispecs.Descriptor) ([]byte, error) {
	if err := d.Digest.Validate(); err != nil {
		return nil, err
	}
	if d.Size > maxConfig {
		return nil, fmt.Errorf("%s is too large: %d bytes", d.Digest, d.Size)
	}
	r, err := p.open(ctx, d)
	if err != nil {
		return nil, err
	}
	data, err := readAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	if got := d.Digest.Algorithm().FromBytes(data); got != d.Digest {
		return nil, fmt.Errorf("%s came instead of %s", got, d.Digest)
	}
	return data, nil
}

// readAll reads all of r, up to the maximum size of a config.
func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxConfig+1))
	if err == nil && len(data) > maxConfig {
		err = fmt.Errorf("is larger than %d bytes", maxConfig)
	}
	return data, err
}

// manifest is the manifest of a cache in either form: an image manifest with layers and a
// config, or an index whose entries are layers and the config.
type manifest struct {
	Config    ocispecs.Descriptor   `json:"config"`
	Layers    []ocispecs.Descriptor `json:"layers"`
	Manifests []ocispecs.Descriptor `json:"manifests"`
}

// parseManifest returns the descriptor of the config, and the layers by digest. If the
// manifest is not that of a cache, the config has no digest.
func parseManifest(data []byte) (config ocispecs.Descriptor, layers map[digest.Digest]ocispecs.Descriptor, err error) {
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return config, nil, fmt.Errorf("manifest: %w", err)
	}
	layers = map[digest.Digest]ocispecs.Descriptor{}
	for _, d := range append(m.Layers, m.Manifests...) {
		if err := d.Digest.Validate(); err != nil {
			return config, nil, fmt.Errorf("manifest: %w", err)
		}
		if d.MediaType == configType {
			config = d
			continue
		}
		layers[d.Digest] = d
	}
	if m.Config.MediaType == configType {
		config = m.Config
	}
	return config, layers, nil
}
