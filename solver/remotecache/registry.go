package remotecache

import (
	"bytes"
	"context"
	"io"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/registry"
)

// registryPlace is a tag in a registry.
type registryPlace struct{ repo *registry.Repository }

func (r *registryPlace) manifest(ctx context.Context, want digest.Digest) ([]byte, error) {
	d := ocispecs.Descriptor{Digest: want}
	if want == "" {
		var err error
		if d, err = r.repo.Resolve(ctx); err != nil {
			return nil, err
		}
	}
	return r.repo.Manifest(ctx, d)
}

func (r *registryPlace) open(ctx context.Context, d ocispecs.Descriptor) (io.ReadCloser, error) {
	return r.repo.Blob(ctx, d)
}

func (r *registryPlace) put(ctx context.Context, d ocispecs.Descriptor, open func() (io.ReadCloser, error)) error {
	return r.repo.Push(ctx, d, open)
}

func (r *registryPlace) name(ctx context.Context, d ocispecs.Descriptor, manifest []byte) error {
	return r.repo.Tag(ctx, d, manifest)
}

// reader returns a function that opens data.
func reader(data []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
}
