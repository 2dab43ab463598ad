package source

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

// gitPack holds the objects of a pack, which is a file. go-git's own index of a pack
// holds each object in memory as a whole, and takes ten times as much per object.
// Not safe for concurrent use.
type gitPack struct {
	storer.EncodedObjectStorer // is empty: all methods that read are replaced

	file    *os.File
	scanner *packfile.Scanner // of the file
	objects packObjects
	byHash  []uint32 // numbers of objects in the order of their hashes
	cache   *cache.BufferLRU

	limit   int64  // bytes of memory
	named   bool   // deltas name what they change by its hash
	largest int64  // bytes of the largest object that a delta changes or makes
	patched uint64 // bytes that deltas have made
}

// packObject is an object of a pack.
type packObject struct {
	offset int64         // in the file
	hash   plumbing.Hash // zero as long as the object that a delta makes is unknown
	base   uint32        // number of the object that a delta changes, or wholeObject plus a type
}

// wholeObject is the base of objects that are no deltas, with their type added.
const wholeObject = 0xffff_fff0

// pendingBase is the base of a delta that is named by its hash.
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

// packTarget is what a pack may use.
type packTarget struct {
	dir    string // of its file
	memory int64  // bytes
}

// readPack reads a pack into a file. The caller closes the result.
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
	if _, err := io.Copy(io.Discard, in); err != nil { // the end of the protocol
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if err := p.resolve(ctx, deltas); err != nil {
		return err
	}
	p.sort()
	return nil
}

// packDeltas are the deltas of a pack whose base is not known yet.
type packDeltas struct {
	list  []uint32                   // all deltas
	named map[uint32]plumbing.Hash   // hashes of bases
	after map[uint32][]uint32        // deltas by the number of a base that is waited for
	of    map[plumbing.Hash][]uint32 // deltas by the hash of such a base
}

// scan reads the objects of a pack, and returns those that are deltas.
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

// scanWhole reads an object that is no delta.
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

// deltaSizes returns the sizes of what a delta changes and of what it makes. They
// are the first numbers in it. A delta that has none is invalid.
// https://git-scm.com/docs/gitformat-pack#_deltified_representation
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

// affordable returns an error if the pack does not fit into the memory that is left:
// its objects by number, and a delta with what it changes and makes.
func (p *gitPack) affordable() error {
	const copies = 5 // of the largest object: the base, the delta, and the result while it grows
	if p.memory()+copies*p.largest+packCache <= p.limit {
		return nil
	}
	return fmt.Errorf("the pack needs too much memory: it has %d objects, and deltas of objects of up to %d bytes", p.objects.n, p.largest)
}

// memory returns how much memory the pack takes as long as it is open.
func (p *gitPack) memory() int64 {
	if p.named {
		return int64(p.objects.n) * namedObjectSize
	}
	return int64(p.objects.n) * packObjectSize
}

// atMost is a reader that fails after so many bytes.
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
