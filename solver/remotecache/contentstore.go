package remotecache

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// contentStorage is the storage of a cache in a content store, for example in a directory of a
// client in another process.
type contentStorage struct {
	store  content.Store
	digest digest.Digest             // manifest of the cache; "" if the storage is only written
	tagged func(ocispecs.Descriptor) // receives the descriptor of the manifest that is written
}

// manifest implements [storage].
func (c *contentStorage) manifest(ctx context.Context, id digest.Digest) ([]byte, error) {
	id = cmp.Or(id, c.digest)
	if id == "" {
		return nil, errors.New("a cache in a store of the client needs digest=DIGEST")
	}
	return readBlob(ctx, c, ocispecs.Descriptor{Digest: id})
}

// open implements [storage].
func (c *contentStorage) open(ctx context.Context, d ocispecs.Descriptor) (io.ReadCloser, error) {
	r, err := c.store.ReaderAt(ctx, d)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{content.NewReader(r), r}, nil
}

// put implements [storage].
func (c *contentStorage) put(ctx context.Context, d ocispecs.Descriptor, open func() (io.ReadCloser, error)) error {
	if info, err := c.store.Info(ctx, d.Digest); err == nil && info.Size == d.Size {
		return nil
	}
	r, err := open()
	if err != nil {
		return err
	}
	err = content.WriteBlob(ctx, c.store, d.Digest.String(), r, d)
	return errors.Join(err, r.Close())
}

// tag implements [storage]. The client tags the manifest when it has received the descriptor.
func (c *contentStorage) tag(ctx context.Context, d ocispecs.Descriptor, manifest []byte) error {
	if err := content.WriteBlob(ctx, c.store, d.Digest.String(), bytes.NewReader(manifest), d); err != nil {
		return err
	}
	if c.tagged != nil {
		c.tagged(d)
	}
	return nil
}
