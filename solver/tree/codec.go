package tree

import (
	"sync"

	"github.com/klauspost/compress/zstd"
)

// codec compresses and decompresses encoded directories. Compression reduces them to about
// 40 % of their size. Safe for concurrent use.
type codec struct {
	encoder, decoder sync.Once
	e                *zstd.Encoder
	d                *zstd.Decoder
	encErr, decErr   error
}

// maxFile is the maximum size in bytes of a decompressed file that stores directories. Only a
// damaged file can be larger: the listing of a directory with a million files has about 120
// MB.
const maxFile = 2 << 30

// minCompressed is the minimum size in bytes of data that is compressed. Smaller files would
// still need a block of the disk, and the first use of the decoder takes 1 ms.
const minCompressed = 4 << 10

// stored is the first byte of data that compress did not compress. A zstd frame starts with
// another byte.
const stored = 0

// compress returns data in compressed form, or with the prefix stored if it is small. Use
// decompress to restore data.
func (c *codec) compress(data []byte) ([]byte, error) {
	if len(data) < minCompressed {
		return append([]byte{stored}, data...), nil
	}
	c.encoder.Do(func() {
		c.e, c.encErr = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(maxSmall))
	})
	if c.encErr != nil {
		return nil, c.encErr
	}
	return c.e.EncodeAll(data, nil), nil
}

// decompress returns the original data for the output of compress. It returns an error if data
// is damaged, or if the result would be larger than maxFile.
func (c *codec) decompress(data []byte) ([]byte, error) {
	if len(data) > 0 && data[0] == stored {
		return data[1:], nil
	}
	c.decoder.Do(func() {
		c.d, c.decErr = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxFile))
	})
	if c.decErr != nil {
		return nil, c.decErr
	}
	return c.d.DecodeAll(data, nil)
}
