package source

import (
	"errors"
	"io"

	"github.com/moby/go-archive/compression"

	"slipway/solver/tree"
)

// uncompressed opens a blob and undoes its compression.
func (s *Sources) uncompressed(b tree.Blob) (io.ReadCloser, error) {
	f, err := s.Store.Open(b)
	if err != nil {
		return nil, err
	}
	r, err := compression.DecompressStream(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &both{r, f}, nil
}

// both closes a reader and what it reads from.
type both struct {
	io.ReadCloser
	under io.Closer
}

// Close implements [io.Closer].
func (b *both) Close() error { return errors.Join(b.ReadCloser.Close(), b.under.Close()) }
