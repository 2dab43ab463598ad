package tree

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"
	"strings"
	"sync"
)

// layerScan reads the entries of an archive in order. Other goroutines hash and store the
// contents of small files, while the layerScan reads further entries.
type layerScan struct {
	tar    *tar.Reader
	store  *Store
	limits Limits // what is left of the limits
	plain  bool   // see [ReadOptions.Plain]

	jobs    chan contentJob
	idle    int // number of goroutines that were not started yet
	running sync.WaitGroup
}

// layerEntry is an entry of an archive. If err is not nil, the entry is invalid or could not
// be read, and no entry follows.
type layerEntry struct {
	*tar.Header
	content *layerContent // nil if the content is not needed
	err     error
}

// layerContent is the content of a regular file in an archive. While a goroutine stores the
// content, the fields blob and err are not set yet.
type layerContent struct {
	stored sync.WaitGroup
	blob   Blob
	err    error
}

// contentJob is the content of one file, which a goroutine stores as a blob.
type contentJob struct {
	*layerContent
	data    []byte
	release func() // makes the buffer of data available again
}

func newLayerScan(layer io.Reader, store *Store, limits Limits, plain bool) *layerScan {
	return &layerScan{
		tar: tar.NewReader(layer), store: store, limits: limits.OrDefault(), plain: plain,
		jobs: make(chan contentJob), idle: runtime.GOMAXPROCS(0),
	}
}

// next returns the next entry, and false after the last one.
func (s *layerScan) next() (e layerEntry, ok bool) {
	h, err := s.tar.Next()
	if errors.Is(err, io.EOF) {
		return e, false
	}
	if err != nil {
		return layerEntry{err: fmt.Errorf("read layer: %w", err)}, true
	}
	e.Header = h
	if err := s.count(h); err != nil {
		e.err = entryError(h, err)
		return e, true
	}
	if s.needsContent(h) {
		if s.limits.Bytes -= h.Size; s.limits.Bytes < 0 {
			e.err = entryError(h, errors.New("the layer is too large"))
			return e, true
		}
		e.content = s.content(h.Size)
	}
	return e, true
}

// entryError adds the name of an archive entry to err.
func entryError(h *tar.Header, err error) error {
	return fmt.Errorf("layer entry %s: %w", quoted(h.Name), err)
}

// needsContent reports whether the content of an archive entry is stored. This is the case for
// regular files, except for whiteouts.
func (s *layerScan) needsContent(h *tar.Header) bool {
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeRegA, tar.TypeGNUSparse: //nolint:staticcheck // old archives have TypeRegA
		return s.plain || !strings.HasPrefix(path.Base(clean(h.Name)), whiteout)
	}
	return false
}

// content stores the content of the current entry, which has the given size. It reads small
// contents into memory, and other goroutines store them.
func (s *layerScan) content(size int64) *layerContent {
	c := &layerContent{}
	if size > bufferSize {
		c.blob, c.err = s.store.Put(s.tar)
		return c
	}
	buf, release := s.store.buffer()
	if _, c.err = io.ReadFull(s.tar, buf[:size]); c.err != nil {
		release()
		return c
	}
	if s.idle > 0 {
		s.idle--
		s.running.Go(func() {
			for j := range s.jobs {
				j.blob, j.err = s.store.PutBytes(j.data)
				j.release()
				j.stored.Done()
			}
		})
	}
	c.stored.Add(1)
	s.jobs <- contentJob{c, buf[:size], release}
	return c
}

// close waits until the contents of all files are stored. No entry can be read afterwards.
func (s *layerScan) close() {
	close(s.jobs)
	s.running.Wait()
}

// wait waits until a goroutine has stored the content, and returns the blob.
func (c *layerContent) wait() (Blob, error) {
	c.stored.Wait()
	return c.blob, c.err
}

// entriesAhead is the number of entries of a layer that are read before the first of them is
// applied to a tree, so that the contents of several files can be stored concurrently.
const entriesAhead = 64

// ReadLayer applies an uncompressed layer to base and returns the resulting tree. base may
// be nil. It stores the content of files in store, but not the directories. It returns an
// error if a name leads out of the tree, or if the layer exceeds a limit.
func ReadLayer(base *Node, layer io.Reader, store *Store, opt ReadOptions) (*Node, error) {
	s := newLayerScan(layer, store, opt.Limits, opt.Plain)
	defer s.close()
	r := newLayerReader(base, opt)
	queue := make(chan layerEntry, entriesAhead)
	for {
		e, ok := s.next()
		if !ok {
			break
		}
		if len(queue) == entriesAhead {
			if err := r.apply(<-queue); err != nil {
				return nil, err
			}
		}
		queue <- e
		if e.err != nil {
			break
		}
	}
	close(queue)
	for e := range queue {
		if err := r.apply(e); err != nil {
			return nil, err
		}
	}
	return r.tree()
}

// scannedEntries is the maximum number of entries of a [LayerScan] that Read has read and
// Apply has not applied yet.
const scannedEntries = 8192

// LayerScan reads a layer before the tree to which the layer applies is known. One goroutine
// calls Read, and another one calls Apply.
type LayerScan struct {
	store   *Store
	limits  Limits
	entries chan layerEntry
	err     error // why the layer was not read to its end; set before entries is closed
}

// NewLayerScan returns a scan for a layer of an image. Like [ReadLayer], the scan stores the
// content of files in store.
func NewLayerScan(store *Store, limits Limits) *LayerScan {
	return &LayerScan{store: store, limits: limits, entries: make(chan layerEntry, scannedEntries)}
}

// Read reads an uncompressed layer up to its last entry. Read is never more than
// 8192 entries ahead of Apply: it waits. If ctx ends, Read returns context.Cause(ctx). For
// an invalid layer, Read returns nil, and Apply returns the error.
func (l *LayerScan) Read(ctx context.Context, layer io.Reader) error {
	defer close(l.entries)
	s := newLayerScan(layer, l.store, l.limits, false)
	defer s.close()
	for {
		e, ok := s.next()
		if !ok {
			return nil
		}
		select {
		case l.entries <- e:
		case <-ctx.Done():
			l.err = context.Cause(ctx)
			return l.err
		}
		if e.err != nil {
			return nil
		}
	}
}

// Fail makes Apply return err. Call it instead of Read if the layer cannot be opened.
func (l *LayerScan) Fail(err error) {
	l.err = err
	close(l.entries)
}

// Apply applies the entries of the layer to base, and returns the resulting tree, as
// [ReadLayer] does. If it returns an error, the context of Read must end, because Read may
// be waiting for Apply.
func (l *LayerScan) Apply(base *Node) (*Node, error) {
	r := newLayerReader(base, ReadOptions{Limits: l.limits})
	for e := range l.entries {
		if err := r.apply(e); err != nil {
			return nil, err
		}
	}
	if l.err != nil {
		return nil, l.err
	}
	return r.tree()
}
