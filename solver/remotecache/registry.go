package remotecache

import (
	"bytes"
	"context"
	"io"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/registry"
)

// registryStorage is the storage of a cache under a tag in a registry.
type registryStorage struct{ repo *registry.Repository }

// manifest implements [storage].
func (r *registryStorage) manifest(ctx context.Context, id digest.Digest) ([]byte, error) {
	d := ocispecs.Descriptor{Digest: id}
	if id == "" {
		var err error
		if d, err = r.repo.Resolve(ctx); err != nil {
			return nil, err
		}
	}
	return r.repo.Manifest(ctx, d)
}

// open implements [storage].
func (r *registryStorage) open(ctx context.Context, d ocispecs.Descriptor) (io.ReadCloser, error) {
	return r.repo.Blob(ctx, d)
}

// put implements [storage].
func (r *registryStorage) put(ctx context.Context, d ocispecs.Descriptor, open func() (io.ReadCloser, error)) error {
	return r.repo.Push(ctx, d, open)
}

// tag implements [storage].
func (r *registryStorage) tag(ctx context.Context, d ocispecs.Descriptor, manifest []byte) error {
	return r.repo.Tag(ctx, d, manifest)
}

// reader returns a function that opens a reader of data, as needed for the method put of a
// [storage].
func reader(data []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
}
