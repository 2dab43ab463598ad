package export

import (
	"cmp"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Compression configures the compression of layers. The zero value is gzip at its default
// level.
type Compression struct {
	Type  string // gzip, zstd or uncompressed; "" means gzip
	Level int    // 1 to 9 for gzip, 1 to 22 for zstd; 0 means the default level
}

// Check returns an error if the type is unknown or the level is invalid.
func (c Compression) Check() error {
	most := 0
	switch c.Type {
	case "", "gzip":
		most = 9
	case "zstd":
		most = 22
	case "uncompressed":
	default:
		return fmt.Errorf("unknown compression %q, there are gzip, zstd and uncompressed", c.Type)
	}
	if c.Level < 0 || c.Level > most {
		return fmt.Errorf("compression level %d is not in the range from 0 to %d", c.Level, most)
	}
	return nil
}

func (c Compression) mediaType() string {
	switch c.Type {
	case "zstd":
		return ocispecs.MediaTypeImageLayerZstd
	case "uncompressed":
		return ocispecs.MediaTypeImageLayer
	}
	return ocispecs.MediaTypeImageLayerGzip
}

// encoding is a number that changes with each change that gives compressed layers other bytes,
// such as one of the module klauspost/compress.
const encoding = 1

// format identifies the encoding of layers, for keys of the cache: a layer in the cache that
// has other bytes must not be used.
func (c Compression) format() string {
	if c.Type == "" || c.Type == "gzip" {
		return fmt.Sprintf("gzip level %d encoding %d", c.gzipLevel(), encoding)
	}
	return fmt.Sprintf("%s level %d encoding %d", c.Type, c.Level, encoding)
}

func (c Compression) gzipLevel() int { return cmp.Or(c.Level, gzipLevel) }

// writer returns a writer that writes compressed data to w. Equal input gives equal output,
// whatever the number of processors.
func (x *Layers) writer(w io.Writer) (io.WriteCloser, error) {
	c := x.Compression
	switch c.Type {
	case "zstd":
		level := zstd.SpeedDefault
		if c.Level > 0 {
			level = zstd.EncoderLevelFromZstd(c.Level)
		}
		// With two goroutines, blocks are written while further ones are searched for matches.
		return zstd.NewWriter(w, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(2))
	case "uncompressed":
		return noCompression{w}, nil
	}
	return x.gzip().writer(w), nil
}

// gzip returns the compressor of blocks for the current gzip level.
func (x *Layers) gzip() *gzipBlocks {
	x.mu.Lock()
	defer x.mu.Unlock()
	if level := x.Compression.gzipLevel(); x.blocks == nil || x.level != level {
		x.blocks, x.level = newGzipBlocks(level), level
	}
	return x.blocks
}

// noCompression is a writer for uncompressed layers. Closing it does nothing.
type noCompression struct{ io.Writer }

// Close implements [io.Closer].
func (noCompression) Close() error { return nil }
