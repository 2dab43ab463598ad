package export

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/flate"
)

const (
	// gzipBlock is the number of bytes that are compressed at a time. Compressed layers
	// depend on it.
	gzipBlock = 1 << 20
	// gzipWindow is the distance in bytes over which the format can refer to earlier
	// content.
	gzipWindow = 32 << 10
)

// gzipLevels maps a compression level to a level of the package flate that gives layers of
// about the same size as the level gives in zlib and in Go's own package. Levels of flate
// with the same numbers give layers that are up to 6 % larger.
func gzipLevels() [10]int { return [10]int{6: 8, 1: 1, 2: 4, 3: 4, 4: 6, 5: 7, 7: 8, 8: 9, 9: 9} }

// gzipLevel is the level that an option gives if it sets none. BuildKit's default is the same.
const gzipLevel = 6

// gzipBlocks compresses blocks concurrently, for any number of writers. Use newGzipBlocks to
// create one. Safe for concurrent use.
type gzipBlocks struct {
	level int           // level of the package flate
	slots chan struct{} // has an element for each block that is being compressed or written
	pool  sync.Pool     // of *gzipEncoder
}

// newGzipBlocks returns a gzipBlocks for a level from 1 to 9 or [Stored]. It compresses as many blocks at
// a time as processors are available.
func newGzipBlocks(level int) *gzipBlocks {
	with := flate.NoCompression
	if level != Stored {
		with = gzipLevels()[level]
	}
	// Another block may wait for the block before it to be written.
	return &gzipBlocks{level: with, slots: make(chan struct{}, runtime.GOMAXPROCS(0)+1)}
}

// gzipEncoder compresses one block.
type gzipEncoder struct {
	in, dict []byte // the block, and the content before it to which the block may refer
	out      bytes.Buffer
	z        *flate.Writer
}

func (b *gzipBlocks) encoder() (*gzipEncoder, error) {
	if e, ok := b.pool.Get().(*gzipEncoder); ok {
		e.in, e.dict = e.in[:0], e.dict[:0]
		e.out.Reset()
		return e, nil
	}
	z, err := flate.NewWriter(nil, b.level)
	return &gzipEncoder{in: make([]byte, 0, gzipBlock), dict: make([]byte, 0, gzipWindow), z: z}, err
}

// encode compresses the block to e.out.
func (e *gzipEncoder) encode(last bool) error {
	e.z.ResetDict(&e.out, e.dict)
	if _, err := e.z.Write(e.in); err != nil {
		return err
	}
	if last {
		return e.z.Close()
	}
	return e.z.Flush()
}

// gzipWriter writes a gzip file with a single member. Its bytes depend only on the content and
// on the level: neither on the sizes of the writes nor on the number of processors. Not safe
// for concurrent use.
type gzipWriter struct {
	blocks *gzipBlocks
	cur    *gzipEncoder // the block that Write fills; nil before the first Write
	sum    uint32       // CRC-32 of the content
	size   uint32       // size of the content modulo 2³²
	out    *gzipOutput
	done   chan struct{} // closed after the previous block has been written
}

// gzipOutput is the destination of a gzipWriter.
type gzipOutput struct {
	w   io.Writer
	mu  sync.Mutex
	err error // first error of w
}

// write writes p, unless an earlier write failed. Calls must not be concurrent.
func (o *gzipOutput) write(p []byte) {
	if o.failed() != nil {
		return
	}
	_, err := o.w.Write(p)
	o.fail(err)
}

func (o *gzipOutput) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
}

func (o *gzipOutput) failed() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// writer returns a writer that compresses to w. The caller must close it.
func (b *gzipBlocks) writer(w io.Writer) *gzipWriter {
	z := &gzipWriter{blocks: b, out: &gzipOutput{w: w}, done: make(chan struct{})}
	const unknownOS = 255
	z.out.write([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, unknownOS}) // no name and no time
	close(z.done)
	return z
}

// Write implements [io.Writer]. It may return the error of an earlier block.
func (z *gzipWriter) Write(p []byte) (int, error) {
	z.sum = crc32.Update(z.sum, crc32.IEEETable, p)
	z.size += uint32(len(p))
	for rest := p; len(rest) > 0; {
		if z.cur == nil || len(z.cur.in) == gzipBlock {
			if err := z.next(); err != nil {
				return 0, err
			}
		}
		n := min(len(rest), gzipBlock-len(z.cur.in))
		z.cur.in = append(z.cur.in, rest[:n]...)
		rest = rest[n:]
	}
	return len(p), nil
}

// next starts compressing the current block and begins another one.
func (z *gzipWriter) next() error {
	if err := z.out.failed(); err != nil {
		return err
	}
	e, err := z.blocks.encoder()
	if err != nil {
		return err
	}
	if z.cur != nil {
		e.dict = append(e.dict, z.cur.in[len(z.cur.in)-gzipWindow:]...)
		z.encode(false)
	}
	z.cur = e
	return nil
}

// encode starts compressing and writing the current block. It waits while too many blocks are
// being compressed.
func (z *gzipWriter) encode(last bool) {
	z.blocks.slots <- struct{}{}
	e, previous, done := z.cur, z.done, make(chan struct{})
	z.done = done
	go func() {
		defer close(done)
		err := e.encode(last)
		<-previous
		z.out.fail(err)
		z.out.write(e.out.Bytes())
		z.blocks.pool.Put(e)
		<-z.blocks.slots
	}()
}

// Close writes the rest of the file. It waits until all blocks have been written.
func (z *gzipWriter) Close() error {
	if z.cur == nil {
		if err := z.next(); err != nil {
			return err
		}
	}
	z.encode(true)
	<-z.done
	z.out.write(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, z.sum), z.size))
	return z.out.failed()
}
