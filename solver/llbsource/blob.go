package llbsource

import (
	"context"
	"errors"
	"io"

	"github.com/moby/go-archive/compression"

	"slipway/solver/tree"
)

// uncompressed opens a blob and decompresses it.
func (s *Sources) uncompressed(ctx context.Context, b tree.Blob) (io.ReadCloser, error) {
	f, err := s.Store.OpenContext(ctx, b)
	if err != nil {
		return nil, err
	}
	r, err := compression.DecompressStream(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &both{tree.Reader(ctx, r), r, f}, nil
}

// both closes a reader and its underlying file.
type both struct {
	io.Reader
	upper, under io.Closer
}

// Close implements [io.Closer].
func (b *both) Close() error { return errors.Join(b.upper.Close(), b.under.Close()) }
