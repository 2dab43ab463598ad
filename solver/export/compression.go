package export

import (
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
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
		most = gzip.BestCompression
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

// writer returns a writer that writes compressed data to w. Equal input gives equal
// output.
func (c Compression) writer(w io.Writer) (io.WriteCloser, error) {
	switch c.Type {
	case "zstd":
		level := zstd.SpeedDefault
		if c.Level > 0 {
			level = zstd.EncoderLevelFromZstd(c.Level)
		}
		return zstd.NewWriter(w, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1))
	case "uncompressed":
		return noCompression{w}, nil
	}
	if c.Level > 0 {
		return gzip.NewWriterLevel(w, c.Level)
	}
	return gzip.NewWriter(w), nil
}

// noCompression is a writer for uncompressed layers. Closing it does nothing.
type noCompression struct{ io.Writer }

// Close implements [io.Closer].
func (noCompression) Close() error { return nil }
