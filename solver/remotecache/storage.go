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

// storage stores one cache in a registry or a directory. Safe for concurrent use.
type storage interface {
	// manifest returns the manifest with digest d, or the manifest of the cache if d is "".
	// The caller must verify the digest.
	manifest(ctx context.Context, d digest.Digest) ([]byte, error)
	// open opens a blob for reading. The caller must verify the digest.
	open(ctx context.Context, d ocispecs.Descriptor) (io.ReadCloser, error)
	// put stores a blob. It calls open to read the blob, but only if the storage lacks it.
	put(ctx context.Context, d ocispecs.Descriptor, open func() (io.ReadCloser, error)) error
	// tag stores a manifest and makes it the manifest of the cache.
	tag(ctx context.Context, d ocispecs.Descriptor, manifest []byte) error
}

// readBlob returns the content of the blob with descriptor d from the storage s. It
// returns an error if the digest is wrong, or if the blob has more than maxConfig bytes.
func readBlob(ctx context.Context, s storage, d ocispecs.Descriptor) ([]byte, error) {
	if err := d.Digest.Validate(); err != nil {
		return nil, err
	}
	if d.Size > maxConfig {
		return nil, fmt.Errorf("%s is too large: %d bytes", d.Digest, d.Size)
	}
	r, err := s.open(ctx, d)
	if err != nil {
		return nil, err
	}
	data, err := readAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	if got := d.Digest.Algorithm().FromBytes(data); got != d.Digest {
		return nil, fmt.Errorf("digest is %s instead of %s", got, d.Digest)
	}
	return data, nil
}

// readAll reads r to its end. It returns an error if r has more than maxConfig bytes.
func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxConfig+1))
	if err == nil && len(data) > maxConfig {
		err = fmt.Errorf("is larger than %d bytes", maxConfig)
	}
	return data, err
}

// manifest is a manifest of a cache. It is an image manifest with layers and a config, or
// an index whose entries are the layers and the config.
type manifest struct {
	Config    ocispecs.Descriptor   `json:"config"`
	Layers    []ocispecs.Descriptor `json:"layers"`
	Manifests []ocispecs.Descriptor `json:"manifests"`
}

// parseManifest parses the manifest of a cache. It returns the descriptors of the config, of the layers
// by digest, and of the cache mounts by name. If the manifest has no cache config, config is empty.
func parseManifest(data []byte) (config ocispecs.Descriptor, layers map[digest.Digest]ocispecs.Descriptor, mounts map[string]ocispecs.Descriptor, err error) {
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return config, nil, nil, fmt.Errorf("manifest: %w", err)
	}
	layers, mounts = map[digest.Digest]ocispecs.Descriptor{}, map[string]ocispecs.Descriptor{}
	for _, d := range append(m.Layers, m.Manifests...) {
		if err := d.Digest.Validate(); err != nil {
			return config, nil, nil, fmt.Errorf("manifest: %w", err)
		}
		name := d.Annotations[mountName]
		switch {
		case d.MediaType == configType:
			config = d
		case name == "":
			layers[d.Digest] = d
		case isName(name):
			mounts[name] = d
		}
	}
	if m.Config.MediaType == configType {
		config = m.Config
	}
	return config, layers, mounts, nil
}
