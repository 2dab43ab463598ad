package remotecache

import (
	"bytes"
	"context"
	"io"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// registryPlace is a tag in a registry.
type registryPlace struct {
	ref  name.Reference
	opts []remote.Option
}

func (r *registryPlace) with(ctx context.Context) []remote.Option {
	return append([]remote.Option{remote.WithContext(ctx)}, r.opts...)
}

func (r *registryPlace) manifest(ctx context.Context, want digest.Digest) ([]byte, error) {
	ref := r.ref
	if want != "" {
		ref = r.ref.Context().Digest(want.String())
	}
	d, err := remote.Get(ref, r.with(ctx)...)
	if err != nil {
		return nil, err
	}
	return d.Manifest, nil
}

func (r *registryPlace) open(ctx context.Context, d ocispecs.Descriptor) (io.ReadCloser, error) {
	l, err := remote.Layer(r.ref.Context().Digest(d.Digest.String()), r.with(ctx)...)
	if err != nil {
		return nil, err
	}
	return l.Compressed()
}

func (r *registryPlace) put(ctx context.Context, d ocispecs.Descriptor, open func() (io.ReadCloser, error)) error {
	return remote.WriteLayer(r.ref.Context(), &upload{d, open}, r.with(ctx)...)
}

func (r *registryPlace) name(ctx context.Context, d ocispecs.Descriptor, manifest []byte) error {
	return remote.Put(r.ref, taggable{d.MediaType, manifest}, r.with(ctx)...)
}

// upload is a blob as the library wants it.
type upload struct {
	desc ocispecs.Descriptor
	from func() (io.ReadCloser, error)
}

// Digest implements [v1.Layer].
func (u *upload) Digest() (v1.Hash, error) { return v1.NewHash(u.desc.Digest.String()) }

// DiffID implements [v1.Layer].
func (u *upload) DiffID() (v1.Hash, error) { return u.Digest() }

// Compressed implements [v1.Layer].
func (u *upload) Compressed() (io.ReadCloser, error) { return u.from() }

// Uncompressed implements [v1.Layer].
func (u *upload) Uncompressed() (io.ReadCloser, error) { return u.from() }

// Size implements [v1.Layer].
func (u *upload) Size() (int64, error) { return u.desc.Size, nil }

// MediaType implements [v1.Layer].
func (u *upload) MediaType() (types.MediaType, error) { return types.MediaType(u.desc.MediaType), nil }

type taggable struct {
	mediaType string
	data      []byte
}

// RawManifest implements [remote.Taggable].
func (t taggable) RawManifest() ([]byte, error) { return t.data, nil }

// MediaType implements [remote.Taggable].
func (t taggable) MediaType() (types.MediaType, error) { return types.MediaType(t.mediaType), nil }

// reader opens what is in memory.
func reader(data []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
}
