package registry

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/remotes"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Resolve asks the registry for the descriptor of the manifest or index to which the
// reference points.
func (r *Repository) Resolve(ctx context.Context) (ocispecs.Descriptor, error) {
	return r.resolve(ctx, r.spec.String())
}

func (r *Repository) resolve(ctx context.Context, ref string) (d ocispecs.Descriptor, err error) {
	ctx = withoutLogs(ctx)
	err = r.retry(ctx, func() error {
		_, d, err = r.resolver.Resolve(ctx, ref)
		return err
	})
	return d, r.explain(err, "pull")
}

// Manifest fetches the manifest or index to which the descriptor d refers. If d has no
// size or media type, Manifest asks the registry for them. It does not verify the content.
func (r *Repository) Manifest(ctx context.Context, d ocispecs.Descriptor) ([]byte, error) {
	if d.Size == 0 || !isManifest(d.MediaType) {
		var err error
		name := d.Digest
		if d, err = r.resolve(ctx, r.spec.Locator+"@"+string(name)); err != nil {
			return nil, fmt.Errorf("manifest %s: %w", name, err)
		}
	}
	if !isManifest(d.MediaType) {
		d.MediaType = ocispecs.MediaTypeImageManifest // selects the API for manifests
	}
	if d.Size > maxManifest {
		return nil, fmt.Errorf("manifest %s has more than %d bytes", d.Digest, maxManifest)
	}
	rc, err := r.Blob(ctx, d)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(rc)
	return data, errors.Join(err, rc.Close())
}

func isManifest(mediaType string) bool {
	return images.IsManifestType(mediaType) || images.IsIndexType(mediaType)
}

// Blob opens the blob with descriptor d for reading. If d.Size is negative, the size is unknown. If
// a transfer is interrupted, reading resumes it. The caller must verify the content and close the
// result.
func (r *Repository) Blob(ctx context.Context, d ocispecs.Descriptor) (io.ReadCloser, error) {
	if err := d.Digest.Validate(); err != nil {
		return nil, fmt.Errorf("%q: %w", d.Digest, err)
	}
	f, err := r.resolver.Fetcher(ctx, r.spec.String())
	if err != nil {
		return nil, err
	}
	ctx = withoutLogs(ctx)
	b := &blobReader{r: r}
	err = r.retry(ctx, func() error {
		// URLs in a descriptor are ignored, because they lead outside the registry.
		b.ReadCloser, err = fetch(ctx, f, ocispecs.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size})
		if err != nil {
			return err
		}
		b.buf = bufio.NewReader(b.ReadCloser)
		if _, err = b.buf.Peek(1); err == nil || errors.Is(err, io.EOF) {
			return nil
		}
		return errors.Join(err, b.ReadCloser.Close())
	})
	if err != nil {
		return nil, r.explain(err, "pull")
	}
	return b, nil
}

// blobReader reads a blob from a registry. It rewrites read errors as user-facing
// messages, with a hint where possible.
type blobReader struct {
	r *Repository
	io.ReadCloser
	buf *bufio.Reader
}

// Read implements [io.Reader].
func (b *blobReader) Read(p []byte) (int, error) {
	n, err := b.buf.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // readers return it as it is
		err = b.r.explain(err, "pull")
	}
	return n, err
}

// fetch opens a blob for reading. If its size is unknown, fetch asks the registry for it.
func fetch(ctx context.Context, f remotes.Fetcher, d ocispecs.Descriptor) (io.ReadCloser, error) {
	if d.Size >= 0 {
		return f.Fetch(ctx, d)
	}
	byDigest, ok := f.(remotes.FetcherByDigest)
	if !ok {
		return nil, errors.New("the size of the blob is unknown")
	}
	r, _, err := byDigest.FetchByDigest(ctx, d.Digest)
	return r, err
}
