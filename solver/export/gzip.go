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
	// gzipBlock is the number of bytes that are compressed as a unit. Changing it changes the
	// bytes of compressed layers.
	gzipBlock = 1 << 20
	// gzipWindow is the maximum distance in bytes over which compressed data can refer back to
	// earlier content. The gzip format defines this limit.
	gzipWindow = 32 << 10
)

// gzipLevels maps each gzip level to the level of the package flate that compresses about as
// well as zlib and Go's compress/gzip do at the gzip level. With the same level number, the
// results of flate are up to 6 % larger.
func gzipLevels() [10]int { return [10]int{6: 8, 1: 1, 2: 4, 3: 4, 4: 6, 5: 7, 7: 8, 8: 9, 9: 9} }

// gzipLevel is the gzip level if the user specifies none. BuildKit has the same default.
const gzipLevel = 6

// gzipBlocks compresses the blocks of any number of gzip files concurrently. Use newGzipBlocks
// to create one. Safe for concurrent use.
type gzipBlocks struct {
	level int           // level of the package flate
	slots chan struct{} // contains an element for each block that is being compressed or written
	pool  sync.Pool     // unused encoders, of the type *gzipEncoder
}

// newGzipBlocks returns a gzipBlocks for a level from 1 to 9, or for [Stored]. The number of
// blocks that it compresses concurrently is the number of CPUs.
func newGzipBlocks(level int) *gzipBlocks {
	with := flate.NoCompression
	if level != Stored {
		with = gzipLevels()[level]
	}
	// Another block may wait for the block before it to be written.
	return &gzipBlocks{level: with, slots: make(chan struct{}, runtime.GOMAXPROCS(0)+1)}
}

// gzipEncoder compresses blocks of gzip files, one at a time.
type gzipEncoder struct {
	in, dict []byte // the block, and the content before it that the compressed block may refer to
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

// encode compresses the block e.in and writes the result to e.out. The parameter last is set
// for the last block of a file.
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

// gzipWriter writes a gzip file with a single member. The bytes of the file depend only on the
// content and on the compression level, not on the sizes of the writes or the number of CPUs.
// Not safe for concurrent use.
type gzipWriter struct {
	blocks *gzipBlocks
	cur    *gzipEncoder // the block that Write fills; nil before the first Write
	sum    uint32       // CRC-32 of the content
	size   uint32       // size of the content modulo 2³²
	out    *gzipOutput
	done   chan struct{} // closed after the previous block has been written
}

// gzipOutput is the destination to which a gzipWriter writes compressed blocks.
type gzipOutput struct {
	w   io.Writer
	mu  sync.Mutex
	err error // first error of w
}

// write writes p to the destination. If an earlier write has failed, it does nothing. Calls
// must not be concurrent.
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

// writer returns a writer that compresses data and writes it to w. The caller must close the
// writer.
func (b *gzipBlocks) writer(w io.Writer) *gzipWriter {
	z := &gzipWriter{blocks: b, out: &gzipOutput{w: w}, done: make(chan struct{})}
	const unknownOS = 255
	z.out.write([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, unknownOS}) // no name and no time
	close(z.done)
	return z
}

// Write implements [io.Writer]. It may return an error that occurred while an earlier block
// was written.
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

// next starts compressing the current block, if any, and makes a new, empty block the current
// one.
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

// encode starts a goroutine that compresses and writes the current block. It waits while too
// many blocks are being compressed. The parameter last is set for the last block of the file.
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

// Close compresses and writes the remaining content and the trailer of the gzip file. It waits
// until all blocks have been written.
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
