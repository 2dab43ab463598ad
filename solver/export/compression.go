package export

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Compression configures the compression of layers. The zero value is gzip at its default
// level.
type Compression struct {
	Type  string // gzip, zstd or uncompressed; "" means gzip
	Level int    // 1 to 9 or Stored for gzip, 1 to 22 for zstd; 0 means the default level
	// If Force is set, layers of images and caches that have another compression type are
	// converted. If it is not set, these layers stay unchanged, so that registries that already
	// have them need no upload.
	Force bool
}

// Stored is the compression level for gzip files whose data is stored uncompressed.
const Stored = -1

// ParseLevel sets c.Level to the level that a user has specified. As in BuildKit, a user can
// specify level 0, which is different from no level.
func (c *Compression) ParseLevel(level int) error {
	switch {
	case level != 0:
		c.Level = level
	case c.Type == "zstd":
		c.Level = 1 // BuildKit has four levels of zstd
	case c.Type == "", c.Type == "gzip":
		c.Level = Stored
	}
	if level < 0 {
		return c.errLevel(level)
	}
	return c.Check()
}

// Check returns an error if the type is unknown or the level is invalid.
func (c Compression) Check() error {
	switch most := c.maxLevel(); {
	case most < 0:
		return fmt.Errorf("unknown compression %q (use gzip, zstd or uncompressed)", c.Type)
	case c.isGzip() && c.Level == Stored:
		return nil
	case c.Level < 0 || c.Level > most:
		return c.errLevel(c.Level)
	}
	return nil
}

// isGzip reports whether the compression type is gzip, which is the default.
func (c Compression) isGzip() bool { return c.Type == "" || c.Type == "gzip" }

// maxLevel returns the highest level of the compression type, or -1 if the type is unknown.
func (c Compression) maxLevel() int {
	switch {
	case c.isGzip():
		return 9
	case c.Type == "zstd":
		return 22
	case c.Type == "uncompressed":
		return 0
	}
	return -1
}

// errLevel returns the error for a level that the compression type does not have.
func (c Compression) errLevel(level int) error {
	return fmt.Errorf("compression level %d is not in the range from 0 to %d", level, c.maxLevel())
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

// Converts reports whether a layer of an image or a cache must be compressed again, because its
// media type is for another compression.
//
// Upstream: a layer of the same type with another level stays as it is.
func (c Compression) Converts(mediaType string) bool {
	of := "uncompressed"
	switch {
	case strings.HasSuffix(mediaType, "gzip"): // +gzip, or Docker's .gzip
		of = "gzip"
	case strings.HasSuffix(mediaType, "zstd"):
		of = "zstd"
	}
	return c.Force && of != cmp.Or(c.Type, "gzip")
}

// encoding is part of the cache keys of compressed layers. It must be incremented by every
// change after which equal layers are compressed to different bytes, such as an upgrade of
// klauspost/compress.
const encoding = 1

// format identifies the compressor, its level and its version, which determine the compressed
// bytes. Cache keys of compressed layers contain it.
func (c Compression) format() string {
	if c.isGzip() {
		return fmt.Sprintf("gzip level %d encoding %d", c.gzipLevel(), encoding)
	}
	return fmt.Sprintf("%s level %d encoding %d", c.Type, c.Level, encoding)
}

func (c Compression) gzipLevel() int { return cmp.Or(c.Level, gzipLevel) }

// writer returns a writer that writes compressed data to w. Equal data yields equal bytes,
// regardless of the number of CPUs.
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

// gzip returns the gzip compressor for the configured level. All layers share this
// compressor.
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
