package llbsource

import (
	"context"
	"errors"
	"io"

	"slipway/internal/decompress"
	"slipway/solver/tree"
)

// uncompressed opens a blob in the store for reading and decompresses it if needed.
func (s *Sources) uncompressed(ctx context.Context, b tree.Blob) (io.ReadCloser, error) {
	f, err := s.Store.OpenContext(ctx, b)
	if err != nil {
		return nil, err
	}
	r, err := decompress.NewReader(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &stackedReader{tree.Reader(ctx, r), r, f}, nil
}

// stackedReader is a reader that processes the content of a file, such as a decompressor.
// Closing it closes both the decompressor and the file.
type stackedReader struct {
	io.Reader
	upper, under io.Closer
}

// Close implements [io.Closer].
func (b *stackedReader) Close() error { return errors.Join(b.upper.Close(), b.under.Close()) }
