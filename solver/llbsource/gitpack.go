package llbsource

import (
	"bufio"
	"bytes"
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

// gitPack gives access to the objects of a git pack, which stays in a temporary file.
// go-git's own pack index needs ten times the memory per object, because it holds whole
// objects. Not safe for concurrent use.
type gitPack struct {
	storer.EncodedObjectStorer // empty; gitPack overrides all methods that read

	file    *os.File
	scanner *packfile.Scanner // reads file
	objects packObjects
	byHash  []uint32 // indexes in objects, sorted by hash
	cache   *cache.BufferLRU

	limit         int64      // memory limit in bytes
	hasNamedBases bool       // a delta refers to its base by hash
	largest       int64      // size of the largest base or result of a delta in bytes
	base          packedBase // the latest base that is too large for the cache
	work          int64      // number of bytes that may still be decompressed and patched
}

// packObject is the index entry of an object in a pack.
type packObject struct {
	offset int64         // offset in the file
	hash   plumbing.Hash // zero for a delta that has not been applied yet
	base   uint32        // number of a delta's base, or wholeObject plus the object type
}

// wholeObject marks a packObject that is not a delta. The field base of such a packObject
// is wholeObject plus the object type.
const wholeObject = 0xffff_fff0

// pendingBase is the value of the field base in a packObject for a delta whose base is
// known only by hash and has not been found yet.
const pendingBase = wholeObject - 1

// packObjects is a list of pack objects that grows in chunks. Unlike a slice, it need not be
// copied when it grows, which would temporarily take twice the memory.
type packObjects struct {
	chunks [][]packObject
	n      int
}

const packChunk = 1 << 12 // number of objects in a chunk

func (l *packObjects) at(i uint32) *packObject { return &l.chunks[i/packChunk][i%packChunk] }

func (l *packObjects) add(o packObject) {
	if l.n%packChunk == 0 {
		l.chunks = append(l.chunks, make([]packObject, 0, packChunk))
	}
	last := len(l.chunks) - 1
	l.chunks[last] = append(l.chunks[last], o)
	l.n++
}

// packTarget specifies where a received pack is stored and how much memory it may use.
type packTarget struct {
	dir    string // directory for the temporary file
	memory int64  // limit in bytes
}

// readPack receives a pack into a temporary file and creates the index of its objects.
// The caller must close the result, which removes the file.
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

// Close closes and removes the temporary file of the pack.
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
	list       []uint32                   // indexes of all deltas in gitPack.objects
	baseHashes map[uint32]plumbing.Hash   // hashes of bases, by index of the delta
	byBase     map[uint32][]uint32        // deltas to resolve after a base, by its index
	byBaseHash map[plumbing.Hash][]uint32 // deltas to resolve after a base, by its hash
}

// scan adds all objects of a pack to the index. It returns the deltas, which are applied
// after the scan, because the base of a delta may appear after the delta in the pack.
func (p *gitPack) scan(s *packfile.Scanner) (*packDeltas, error) {
	_, n, err := s.Header()
	if err != nil {
		return nil, err
	}
	if n > maxPackObjects {
		return nil, fmt.Errorf("the pack claims to have %d objects, more than %d", n, maxPackObjects)
	}
	d := &packDeltas{baseHashes: map[uint32]plumbing.Hash{}, byBase: map[uint32][]uint32{}, byBaseHash: map[plumbing.Hash][]uint32{}}
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
		if err := p.checkMemory(); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// scanWhole reads an object that is not stored as a delta. It computes the object's hash
// and stores it in o.
func scanWhole(s *packfile.Scanner, h *packfile.ObjectHeader, o *packObject) error {
	hasher := plumbing.NewHasher(h.Type, h.Length)
	n, _, err := s.NextObject(hasher)
	if err == nil && n != h.Length {
		err = fmt.Errorf("%w: an object has %d bytes, and claims to have %d", packfile.ErrMalformedPackFile, n, h.Length)
	}
	o.hash = hasher.Sum()
	return err
}

// scanDelta reads a delta, records its base, and checks the sizes in the delta's header.
// It does not apply the delta.
func (p *gitPack) scanDelta(s *packfile.Scanner, h *packfile.ObjectHeader, o *packObject, d *packDeltas) error {
	number := uint32(p.objects.n)
	d.list = append(d.list, number)
	o.base = pendingBase
	if h.Type == plumbing.REFDeltaObject {
		d.baseHashes[number] = h.Reference
		p.hasNamedBases = true
	} else {
		base, ok := p.atOffset(h.OffsetReference)
		if !ok {
			return plumbing.ErrObjectNotFound
		}
		o.base = base
	}
	var content prefixBuffer
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

// deltaSizes reads the size of the base and the size of the result from the start of a
// delta. It returns zero for a missing size, so that applying the delta fails.
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

// checkMemory returns an error if the pack needs more memory than its limit. A pack needs
// memory for the list of its objects, and for one delta with its base and result.
func (p *gitPack) checkMemory() error {
	const copies = 5 // copies of the largest object: the base, the delta, and the result while its buffer grows
	if p.memory()+copies*p.largest+packCache <= p.limit {
		return nil
	}
	return fmt.Errorf("the pack needs too much memory: it has %d objects, and deltas of objects of up to %d bytes", p.objects.n, p.largest)
}

// memory returns the memory in bytes that an open pack uses for the list of its objects.
func (p *gitPack) memory() int64 {
	if p.hasNamedBases {
		return int64(p.objects.n) * namedObjectSize
	}
	return int64(p.objects.n) * packObjectSize
}

// limitedReader reads the list of refs from a git server. The field left is the number of
// bytes that can be read before limitedReader fails.
type limitedReader struct {
	io.ReadCloser
	left  int64
	start *refsStart // receives the first bytes; may be nil
}

// refsStart holds the first bytes of a list of refs in git's smart protocol.
type refsStart struct{ prefixBuffer }

// hasSHA256 reports whether the refs have SHA-256 hashes. The first line of the list contains the
// capabilities of the server.
func (s *refsStart) hasSHA256() bool {
	return bytes.Contains(s.Bytes(), []byte("object-format=sha256"))
}

// Read implements [io.Reader].
func (a *limitedReader) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if a.start != nil {
		_, _ = a.start.Write(p[:n]) // never fails
	}
	if a.left -= int64(n); a.left < 0 {
		return 0, fmt.Errorf("the server lists refs in more than %d bytes", maxGitRefs)
	}
	return n, err
}
