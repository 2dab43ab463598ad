package llbsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// layout is an OCI image layout, either a directory or a tar archive.
//
// See https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md.
type layout struct{ files fs.FS }

func (l *layout) manifest(_ context.Context, d ocispecs.Descriptor) ([]byte, error) {
	return readSmall(l.files, blobName(d.Digest))
}

func (l *layout) blob(_ context.Context, d ocispecs.Descriptor) (io.ReadCloser, error) {
	if err := d.Digest.Validate(); err != nil {
		return nil, fmt.Errorf("%q: %w", d.Digest, err)
	}
	return l.files.Open(blobName(d.Digest))
}

func blobName(d digest.Digest) string { return "blobs/" + d.Algorithm().String() + "/" + d.Encoded() }

// clientLayout is an OCI layout of a client in another process.
type clientLayout struct {
	client Client
	store  string // ID of the layout
}

func (l clientLayout) manifest(ctx context.Context, d ocispecs.Descriptor) ([]byte, error) {
	r, err := l.blob(ctx, d)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(r, maxManifest+1))
	return data, errors.Join(err, r.Close())
}

func (l clientLayout) blob(ctx context.Context, d ocispecs.Descriptor) (io.ReadCloser, error) {
	r, err := l.client.Blob(ctx, l.store, d.Digest)
	if err != nil {
		return nil, fmt.Errorf("OCI layout %q of the client: %w", l.store, err)
	}
	return r, nil
}

// readSmall reads a manifest or a config from a file. A file of more than 16 MiB is an error.
func readSmall(files fs.FS, name string) ([]byte, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if len(data) > maxManifest {
		err = fmt.Errorf("%s has more than %d bytes", name, maxManifest)
	}
	return data, errors.Join(err, f.Close())
}
