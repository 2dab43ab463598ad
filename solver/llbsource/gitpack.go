package llbsource

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/memory"
)

// gitPack provides the objects of a pack in a file. go-git's own index of a pack keeps
// whole objects in memory and needs ten times as much memory per object. Not safe for
// concurrent use.
type gitPack struct {
	storer.EncodedObjectStorer // empty: all methods that read are overridden

	file    *os.File
	scanner *packfile.Scanner // of file
	objects packObjects
	byHash  []uint32 // numbers of objects, sorted by hash
	cache   *cache.BufferLRU

	limit   int64      // bytes of memory
	named   bool       // some deltas refer to their base by hash
	largest int64      // bytes of the largest base or result of a delta
	base    packedBase // a base that is too large for the cache
	work    int64      // bytes that may still be decompressed and patched
}

// packObject is an object of a pack.
type packObject struct {
	offset int64         // in the file
	hash   plumbing.Hash // zero until the result of a delta is known
	base   uint32        // number of the base of a delta, or wholeObject plus a type
}

// wholeObject plus a type is the base of an object that is not a delta.
const wholeObject = 0xffff_fff0

// pendingBase is the base of a delta that refers to its base by hash, until the base is
// known.
const pendingBase = wholeObject - 1

// packObjects is a list that grows without being copied.
type packObjects struct {
	chunks [][]packObject
	n      int
}

const packChunk = 1 << 12 // objects

func (l *packObjects) at(i uint32) *packObject { return &l.chunks[i/packChunk][i%packChunk] }

func (l *packObjects) add(o packObject) {
	if l.n%packChunk == 0 {
		l.chunks = append(l.chunks, make([]packObject, 0, packChunk))
	}
	last := len(l.chunks) - 1
	l.chunks[last] = append(l.chunks[last], o)
	l.n++
}

// packTarget specifies the resources for a pack.
type packTarget struct {
	dir    string // directory for its file
	memory int64  // bytes
}

// readPack reads a pack into a file. The caller must close the result.
func readPack(ctx context.Context, r io.Reader, to packTarget) (*gitPack, error) {
	file, err := os.CreateTemp(to.dir, "pack-")
	if err != nil {
		return nil, err
	}
	p := &gitPack{
		EncodedObjectStorer: memory.NewStorage(),
		file:                file, scanner: packScanner(file), cache: cache.NewBufferLRU(packCache), limit: to.memory,
	}
	if err := p.read(ctx, r); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Close closes and removes the file.
func (p *gitPack) Close() error { return errors.Join(p.file.Close(), os.Remove(p.file.Name())) }

func (p *gitPack) read(ctx context.Context, r io.Reader) error {
	const buffer = 64 << 10
	in := bufio.NewReader(r)
	out := bufio.NewWriterSize(p.file, buffer)
	s := packfile.NewScanner(io.TeeReader(in, out))
	deltas, err := p.scan(s)
	if err == nil {
		_, err = s.Checksum()
	}
	switch {
	case errors.Is(err, packfile.ErrEmptyPackfile):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %w", packfile.ErrMalformedPackFile, err)
	case err != nil:
		return err
	}
	if _, err := io.Copy(io.Discard, in); err != nil { // read to the end of the protocol
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	info, err := p.file.Stat()
	if err != nil {
		return err
	}
	p.work = minPackWork + packWorkRatio*info.Size()
	if err := p.resolve(ctx, deltas); err != nil {
		return err
	}
	p.sort()
	return nil
}

// packDeltas holds the deltas of a pack while their bases are resolved.
type packDeltas struct {
	list  []uint32                   // all deltas
	named map[uint32]plumbing.Hash   // hashes of bases, by number of the delta
	after map[uint32][]uint32        // waiting deltas, by the number of their base
	of    map[plumbing.Hash][]uint32 // waiting deltas, by the hash of their base
}

// scan reads the objects of a pack and returns the deltas.
func (p *gitPack) scan(s *packfile.Scanner) (*packDeltas, error) {
	_, n, err := s.Header()
	if err != nil {
		return nil, err
	}
	if n > maxPackObjects {
		return nil, fmt.Errorf("the pack claims to have %d objects, more than %d", n, maxPackObjects)
	}
	d := &packDeltas{named: map[uint32]plumbing.Hash{}, after: map[uint32][]uint32{}, of: map[plumbing.Hash][]uint32{}}
	for range n {
		h, err := s.NextObjectHeader()
		if err != nil {
			return nil, err
		}
		if h.Length > maxGitObject {
			return nil, errLargeObject
		}
		o := packObject{offset: h.Offset, base: wholeObject + uint32(h.Type)}
		if h.Type.IsDelta() {
			err = p.scanDelta(s, h, &o, d)
		} else {
			err = scanWhole(s, h, &o)
		}
		if err != nil {
			return nil, err
		}
		p.objects.add(o)
		if err := p.affordable(); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// scanWhole reads an object that is not a delta.
func scanWhole(s *packfile.Scanner, h *packfile.ObjectHeader, o *packObject) error {
	hasher := plumbing.NewHasher(h.Type, h.Length)
	n, _, err := s.NextObject(hasher)
	if err == nil && n != h.Length {
		err = fmt.Errorf("%w: an object has %d bytes, and claims to have %d", packfile.ErrMalformedPackFile, n, h.Length)
	}
	o.hash = hasher.Sum()
	return err
}

// scanDelta reads a delta without applying it.
func (p *gitPack) scanDelta(s *packfile.Scanner, h *packfile.ObjectHeader, o *packObject, d *packDeltas) error {
	number := uint32(p.objects.n)
	d.list = append(d.list, number)
	o.base = pendingBase
	if h.Type == plumbing.REFDeltaObject {
		d.named[number] = h.Reference
		p.named = true
	} else {
		base, ok := p.atOffset(h.OffsetReference)
		if !ok {
			return plumbing.ErrObjectNotFound
		}
		o.base = base
	}
	var content firstBytes
	if _, _, err := s.NextObject(&content); err != nil {
		return err
	}
	from, to := deltaSizes(&content)
	if from > maxGitObject || to > maxGitObject {
		return errLargeObject
	}
	p.largest = max(p.largest, h.Length, int64(from), int64(to))
	return nil
}

// deltaSizes returns the sizes of the base and of the result of a delta, which are the
// first two numbers in the delta. A size is zero if it is missing, which is invalid.
//
// See https://git-scm.com/docs/gitformat-pack#_deltified_representation.
func deltaSizes(delta io.ByteReader) (from, to uint64) {
	from, err := binary.ReadUvarint(delta)
	if err != nil {
		return 0, 0
	}
	if to, err = binary.ReadUvarint(delta); err != nil {
		return from, 0
	}
	return from, to
}

var errLargeObject = fmt.Errorf("the pack has an object of more than %d bytes", maxGitObject)

// affordable returns an error if the pack exceeds the remaining memory. The pack needs
// memory for its list of objects, and for one delta with its base and result.
func (p *gitPack) affordable() error {
	const copies = 5 // copies of the largest object: the base, the delta, and the result while its buffer grows
	if p.memory()+copies*p.largest+packCache <= p.limit {
		return nil
	}
	return fmt.Errorf("the pack needs too much memory: it has %d objects, and deltas of objects of up to %d bytes", p.objects.n, p.largest)
}

// memory returns the number of bytes of memory that an open pack needs.
func (p *gitPack) memory() int64 {
	if p.named {
		return int64(p.objects.n) * namedObjectSize
	}
	return int64(p.objects.n) * packObjectSize
}

// atMost is a reader that fails after a number of bytes.
type atMost struct {
	io.ReadCloser
	left int64
}

// Read implements [io.Reader].
func (a *atMost) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if a.left -= int64(n); a.left < 0 {
		return 0, fmt.Errorf("the server lists refs in more than %d bytes", maxGitRefs)
	}
	return n, err
}
