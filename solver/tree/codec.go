package tree

import (
	"sync"

	"github.com/klauspost/compress/zstd"
)

// codec compresses files with directories, to about 40 % of their size. Safe for
// concurrent use.
type codec struct {
	encoder, decoder sync.Once
	e                *zstd.Encoder
	d                *zstd.Decoder
	encErr, decErr   error
}

// maxFile is the maximum size in bytes of a file with directories before it is compressed.
// Only damaged files have more: the listing of a million files has about 120 MB.
const maxFile = 2 << 30

// compress returns the compressed data.
func (c *codec) compress(data []byte) ([]byte, error) {
	c.encoder.Do(func() {
		c.e, c.encErr = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(maxSmall))
	})
	if c.encErr != nil {
		return nil, c.encErr
	}
	return c.e.EncodeAll(data, nil), nil
}

// decompress returns the data that compress has compressed.
func (c *codec) decompress(data []byte) ([]byte, error) {
	c.decoder.Do(func() {
		c.d, c.decErr = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxFile))
	})
	if c.decErr != nil {
		return nil, c.decErr
	}
	return c.d.DecodeAll(data, nil)
}
