// Package decompress decompresses archives. It detects how an archive is compressed, if at
// all.
package decompress

import (
	"bufio"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/moby/go-archive/compression"
)

// bufferSize is the size in bytes of the buffer for compressed data.
const bufferSize = 32 << 10

// NewReader returns a reader for the decompressed content of r. If r is not compressed, the
// reader returns its content unchanged. Gzip is decompressed in a separate goroutine, as
// go-archive does for zstd.
//
// The caller must close the reader. After Close has returned, nothing reads from r.
func NewReader(r io.Reader) (io.ReadCloser, error) {
	in := bufio.NewReaderSize(r, bufferSize)
	const magic = 10 // bytes that suffice to detect a compression
	head, err := in.Peek(magic)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if compression.Detect(head) != compression.Gzip {
		return compression.DecompressStream(in)
	}
	z, err := newGzipReader(in)
	if err != nil {
		return nil, err
	}
	return newReadAhead(z), nil
}

// gzipReader reads a gzip file, which consists of one or more members.
type gzipReader struct {
	in *bufio.Reader
	z  *gzip.Reader // reads the current member
}

func newGzipReader(in *bufio.Reader) (*gzipReader, error) {
	g := &gzipReader{in: in, z: new(gzip.Reader)}
	return g, g.nextMember()
}

// nextMember starts reading the next member. It returns an error if the member is truncated
// within its file name, which compress/gzip treats as the end of the file.
func (g *gzipReader) nextMember() error {
	err := g.z.Reset(g.in)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	g.z.Multistream(false)
	return err
}

// Read implements [io.Reader].
func (g *gzipReader) Read(p []byte) (int, error) {
	n, err := g.z.Read(p)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	if _, err := g.in.Peek(1); err != nil {
		return n, err // io.EOF after the last member
	}
	return n, g.nextMember()
}
