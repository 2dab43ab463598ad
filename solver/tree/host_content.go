package tree

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
)

// contentReader reads the contents of the regular files that a [hostReading] finds. Several
// goroutines read and hash files concurrently, because hashing takes longer than finding the
// files.
//
// The files have consecutive numbers, in the order in which they were found. If files cannot
// be read, err is the error of the first one in this order, regardless of which goroutine
// fails first.
type contentReader struct {
	ctx   context.Context
	store *Store // gets the contents; if nil, contents are only hashed

	queue   chan *fileContent
	found   int64 // number of files so far
	idle    int   // number of goroutines that were not started yet
	running sync.WaitGroup

	failed atomic.Int64 // number of the first file that could not be read
	mu     sync.Mutex
	err    error // why the file with the number failed could not be read
}

// fileContent is a regular file whose content a [contentReader] reads. The blob is set when
// [contentReader.wait] returns.
type fileContent struct {
	number int64
	path   string   // path in the tree
	file   hostFile // closed when the content was read
	small  bool     // whether the content is expected to fit into a buffer, and has no holes
	blob   Blob
}

func newContentReader(ctx context.Context, s *Store) *contentReader {
	r := &contentReader{ctx: ctx, store: s, idle: runtime.GOMAXPROCS(0)}
	// The queue holds open files. Their number must stay far below the limit of open files.
	r.queue = make(chan *fileContent, 4*r.idle)
	r.failed.Store(math.MaxInt64)
	return r
}

// add starts to read a file in the background. The reader closes the file, so the caller must
// not close it. The parameter f describes the file.
func (r *contentReader) add(f HostFile, file hostFile) *fileContent {
	size := f.Info.Size()
	c := &fileContent{number: r.found, path: f.Path, file: file, small: size < bufferSize && sizeOnDisk(f.Info) >= size}
	r.found++
	if r.idle > 0 {
		r.idle--
		r.running.Go(r.work)
	}
	r.queue <- c
	return c
}

// stopped reports whether a file could not be read. In this case, searching for further files
// is useless.
func (r *contentReader) stopped() bool { return r.failed.Load() != math.MaxInt64 }

// wait waits until all files were read, and returns the error of the first file that could
// not be read. No file can be added afterwards.
func (r *contentReader) wait() error {
	close(r.queue)
	r.running.Wait()
	return r.err
}

// work reads the contents of files from the queue until the queue is closed.
func (r *contentReader) work() {
	buf := make([]byte, bufferSize)
	for c := range r.queue {
		var err error
		if c.number < r.failed.Load() {
			c.blob, err = r.read(c, buf)
		}
		if err = errors.Join(err, c.file.Close()); err != nil {
			r.fail(c, err)
		}
	}
}

// fail records err, the error of reading c. If a file that was found before c could not be
// read either, fail does nothing.
func (r *contentReader) fail(c *fileContent, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.number < r.failed.Load() {
		r.failed.Store(c.number)
		r.err = fmt.Errorf("%s: %w", shortPath(c.path), err)
	}
}

// read returns the digest and size of a file's content, and stores the content if the reader
// has a store.
func (r *contentReader) read(c *fileContent, buf []byte) (b Blob, err error) {
	if c.small {
		n, whole, err := c.file.readInto(buf)
		switch {
		case err != nil:
			return Blob{}, err
		case whole && r.store == nil:
			return hashed(buf[:n]), nil
		case whole:
			return r.store.PutBytes(buf[:n])
		}
	}
	src, err := c.file.reader()
	if err != nil {
		return Blob{}, err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	data, err := content(src)
	if err != nil {
		return Blob{}, err
	}
	if r.store == nil {
		return digestOf(Reader(r.ctx, data), buf)
	}
	return r.store.put(Reader(r.ctx, data), buf)
}

// bufferSize is the size of the buffers through which contents are read. Blobs of at most
// this size are stored from memory.
const bufferSize = 256 << 10

// buffer returns a buffer of [bufferSize] bytes. After the last use of the buffer, the caller
// must call release, so that later calls can return the same buffer.
func (s *Store) buffer() (buf []byte, release func()) {
	b, ok := s.buffers.Get().(*[]byte)
	if !ok {
		fresh := make([]byte, bufferSize)
		b = &fresh
	}
	return *b, func() { s.buffers.Put(b) }
}

// fill reads from r until buf is full or r ends. At the end of r, it returns [io.EOF], even if
// it has read some bytes. Unlike [io.ReadFull], it returns [io.ErrUnexpectedEOF] only if r
// does, for example because a download was truncated.
func fill(r io.Reader, buf []byte) (int, error) {
	n := 0
	for n < len(buf) {
		m, err := r.Read(buf[n:])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// digestOf reads r to its end through the buffer buf, and returns the digest and the size of
// the content.
func digestOf(r io.Reader, buf []byte) (Blob, error) {
	h := newBlobHash()
	for {
		n, err := fill(r, buf)
		h.write(buf[:n])
		if errors.Is(err, io.EOF) {
			return h.blob(), nil
		}
		if err != nil {
			return Blob{}, err
		}
	}
}

// put reads r to its end through the buffer buf, and stores the content as a blob. Content
// that fits into the buffer is hashed first, and written only if the store does not have it.
func (s *Store) put(r io.Reader, buf []byte) (Blob, error) {
	n, err := fill(r, buf)
	if errors.Is(err, io.EOF) {
		return s.PutBytes(buf[:n])
	}
	if err != nil {
		return Blob{}, err
	}
	tmp, err := os.CreateTemp(s.temp(), "")
	if err != nil {
		return Blob{}, err
	}
	h := newBlobHash()
	file := &sparseWriter{f: tmp}
	for err == nil {
		h.write(buf[:n])
		if _, err = file.Write(buf[:n]); err != nil {
			break
		}
		n, err = fill(r, buf)
	}
	if errors.Is(err, io.EOF) {
		h.write(buf[:n])
		_, err = file.Write(buf[:n])
	}
	b := h.blob()
	if err == nil {
		err = file.end(b.Size)
	}
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = s.commit(tmp.Name(), b)
	}
	if err != nil {
		_ = os.Remove(tmp.Name()) // fails if the file was renamed
		return Blob{}, err
	}
	return b, nil
}

// hashed returns the digest and the size of data.
func hashed(data []byte) Blob {
	sum := sha256.Sum256(data)
	return Blob{Digest: digest.NewDigestFromEncoded(digest.SHA256, hex.EncodeToString(sum[:])), Size: int64(len(data))}
}

// blobHash is a writer that computes the digest and the size of a blob from its content.
type blobHash struct {
	hash hash.Hash
	size int64
}

func newBlobHash() *blobHash { return &blobHash{hash: sha256.New()} }

func (h *blobHash) write(p []byte) {
	h.hash.Write(p)
	h.size += int64(len(p))
}

// blob returns the digest and size of the content written so far.
func (h *blobHash) blob() Blob {
	return Blob{Digest: digest.NewDigestFromHex("sha256", hex.EncodeToString(h.hash.Sum(nil))), Size: h.size}
}
