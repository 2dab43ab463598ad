package decompress

import (
	"io"
	"io/fs"
	"sync"
)

// chunkSize is the size of a chunk in bytes. maxChunks is the maximum number of chunks that a
// readAhead holds in memory.
const (
	chunkSize = 128 << 10
	maxChunks = 4
)

// readAhead reads ahead from another reader in a goroutine, while its own Read method returns
// the earlier data. Not safe for concurrent use.
type readAhead struct {
	chunks chan chunk    // closed after the chunk with the final error
	stop   chan struct{} // closed by the method Close
	once   sync.Once     // guards closing stop
	pool   sync.Pool     // unused buffers, of the type *[chunkSize]byte
	cur    chunk         // the chunk from which Read currently returns data
	rest   []byte        // the part of cur that Read has not returned yet
}

// chunk is a part of the content of the underlying reader. The last chunk contains an error,
// which may be [io.EOF].
type chunk struct {
	data *[chunkSize]byte
	n    int
	err  error
}

func newReadAhead(r io.Reader) *readAhead {
	a := &readAhead{chunks: make(chan chunk, maxChunks-2), stop: make(chan struct{})}
	a.pool.New = func() any { return new([chunkSize]byte) }
	go a.run(r)
	return a
}

// run reads chunks from r until r ends or fails, or until Close is called.
func (a *readAhead) run(r io.Reader) {
	defer close(a.chunks)
	for {
		c := chunk{data: a.pool.Get().(*[chunkSize]byte)}
		for c.n < chunkSize && c.err == nil {
			var n int
			n, c.err = r.Read(c.data[c.n:])
			c.n += n
		}
		select {
		case a.chunks <- c:
		case <-a.stop:
		}
		// Close also receives chunks, so after it, both cases are ready. Reading once more could
		// take long.
		if c.err != nil || a.stopped() {
			return
		}
	}
}

// stopped reports whether Close was called.
func (a *readAhead) stopped() bool {
	select {
	case <-a.stop:
		return true
	default:
		return false
	}
}

// Read implements [io.Reader].
func (a *readAhead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.cur.err != nil {
			return 0, a.cur.err
		}
		if a.cur.data != nil {
			a.pool.Put(a.cur.data)
		}
		a.cur = <-a.chunks
		a.rest = a.cur.data[:a.cur.n]
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// Close implements [io.Closer]. It waits until the goroutine no longer reads from the
// underlying reader.
func (a *readAhead) Close() error {
	a.once.Do(func() { close(a.stop) })
	for range a.chunks { // until run returns
	}
	a.cur, a.rest = chunk{err: fs.ErrClosed}, nil
	return nil
}
