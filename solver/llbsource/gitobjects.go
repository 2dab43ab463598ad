package llbsource

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"sort"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// packScanner returns a scanner that can read objects at any offset of a pack.
func packScanner(file *os.File) *packfile.Scanner {
	return packfile.NewScanner(io.NewSectionReader(file, 0, math.MaxInt64))
}

// atOffset returns the index in p.objects of the object that starts at the given offset
// of the pack, or false if no object starts there.
func (p *gitPack) atOffset(offset int64) (uint32, bool) {
	i := sort.Search(p.objects.n, func(i int) bool { return p.objects.at(uint32(i)).offset >= offset })
	return uint32(i), i < p.objects.n && p.objects.at(uint32(i)).offset == offset
}

// sort fills p.byHash with the indexes of all objects in p.objects, ordered by the hashes
// of the objects, so that find can use a binary search.
func (p *gitPack) sort() {
	p.byHash = make([]uint32, p.objects.n)
	for i := range p.byHash {
		p.byHash[i] = uint32(i)
	}
	slices.SortFunc(p.byHash, func(a, b uint32) int {
		return bytes.Compare(p.objects.at(a).hash[:], p.objects.at(b).hash[:])
	})
}

// find returns the index in p.objects of the object with the given hash, or false if the
// pack does not contain this object.
func (p *gitPack) find(hash plumbing.Hash) (uint32, bool) {
	i, ok := slices.BinarySearchFunc(p.byHash, hash, func(i uint32, hash plumbing.Hash) int {
		return bytes.Compare(p.objects.at(i).hash[:], hash[:])
	})
	if !ok {
		return 0, false
	}
	return p.byHash[i], true
}

// resolve computes the hash of every object that is stored as a delta. A delta that
// refers to its base by hash may precede the base in the pack.
func (p *gitPack) resolve(ctx context.Context, d *packDeltas) error {
	known := map[plumbing.Hash]uint32{}
	if len(d.baseHashes) > 0 {
		for i := range p.objects.n {
			if o := p.objects.at(uint32(i)); o.base >= wholeObject {
				known[o.hash] = uint32(i)
			}
		}
	}
	left := len(d.list)
	for _, delta := range d.list {
		for ready := []uint32{delta}; len(ready) > 0; {
			if err := ctx.Err(); err != nil {
				return err
			}
			i := ready[len(ready)-1]
			ready = ready[:len(ready)-1]
			if !p.isReady(i, d, known) {
				continue
			}
			hash, err := p.hashDelta(i)
			if err != nil {
				return err
			}
			left--
			if len(d.baseHashes) > 0 {
				known[hash] = i
			}
			ready = append(append(ready, d.byBase[i]...), d.byBaseHash[hash]...)
			delete(d.byBase, i)
			delete(d.byBaseHash, hash)
		}
	}
	if left > 0 {
		return packfile.ErrReferenceDeltaNotFound
	}
	return nil
}

// isReady reports whether the delta with index i in p.objects can be applied, because the hash
// of its base is known. If the delta cannot be applied yet, isReady records in d that it waits
// for its base. The parameter known maps the hashes of objects to their indexes in p.objects.
func (p *gitPack) isReady(i uint32, d *packDeltas, known map[plumbing.Hash]uint32) bool {
	o := p.objects.at(i)
	if o.base == pendingBase {
		base, ok := known[d.baseHashes[i]]
		if !ok {
			d.byBaseHash[d.baseHashes[i]] = append(d.byBaseHash[d.baseHashes[i]], i)
			return false
		}
		o.base = base
	}
	if p.objects.at(o.base).hash.IsZero() {
		d.byBase[o.base] = append(d.byBase[o.base], i)
		return false
	}
	return true
}

// hashDelta applies the delta with index i in p.objects. It stores the hash of the
// resulting object in p.objects, and returns the hash.
func (p *gitPack) hashDelta(i uint32) (plumbing.Hash, error) {
	kind, data, err := p.content(i)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	hash := plumbing.ComputeHash(kind, data)
	p.objects.at(i).hash = hash
	return hash, nil
}

// content returns the type and the content of the object with index i in p.objects. If the
// object is stored as a delta, content applies this delta and all deltas on which it depends.
// The caller must not modify the content. checkMemory limits the size of the content.
func (p *gitPack) content(i uint32) (plumbing.ObjectType, []byte, error) {
	chain := []uint32{i} // a delta, its base, the base of the base, …
	o := p.objects.at(i)
	for ; o.base < wholeObject; o = p.objects.at(o.base) {
		if chain = append(chain, o.base); len(chain) > maxDeltaDepth {
			return 0, nil, fmt.Errorf("%w: a chain of more than %d deltas", packfile.ErrMalformedPackFile, maxDeltaDepth)
		}
	}
	kind := plumbing.ObjectType(o.base - wholeObject)
	data, next := p.cached(chain)
	for ; next >= 0; next-- {
		o := p.objects.at(chain[next])
		part, err := p.inflate(o.offset)
		if err != nil {
			return 0, nil, err
		}
		if o.base < wholeObject {
			if part, err = packfile.PatchDelta(data, part); err != nil {
				return 0, nil, err
			}
			p.work -= int64(len(part))
		}
		data = part
		if len(data) <= packCache {
			p.cache.Put(o.offset, data)
		} else if next > 0 {
			p.base = packedBase{o.offset, data}
		}
	}
	return kind, data, nil
}

// packedBase is the decompressed content of an object that is the base of deltas. It also
// holds the offset of the object in the pack.
type packedBase struct {
	offset int64
	data   []byte
}

// cached returns the content of an object if it is in memory, so that not every delta of a
// chain must be decompressed. The parameter chain contains indexes in p.objects: an object,
// its base, the base of this base, and so on. The result data is the content of the first of
// these objects that is in memory, and next is the index in chain of the next delta to apply.
// If none of the objects is in memory, data is nil and next is the last index in chain.
//
// cached drops a large base from memory unless it returns this base, so that a pack never
// holds two large bases.
func (p *gitPack) cached(chain []uint32) (data []byte, next int) {
	large := p.base
	p.base = packedBase{}
	for j, number := range chain {
		offset := p.objects.at(number).offset
		if b, ok := p.cache.Get(offset); ok {
			return b, j - 1
		}
		if large.data != nil && offset == large.offset {
			p.base = large
			return large.data, j - 1
		}
	}
	return nil, len(chain) - 1
}

// inflate decompresses the object or delta at an offset of the pack. It deducts the
// decompressed size from p.work, the number of bytes that may still be decompressed.
func (p *gitPack) inflate(offset int64) ([]byte, error) {
	h, err := p.scanner.SeekObjectHeader(offset)
	if err != nil {
		return nil, err
	}
	if h.Length > p.largest {
		return nil, packfile.ErrInvalidDelta // the size of its base is wrong
	}
	if p.work -= h.Length; p.work < 0 {
		return nil, errors.New("the deltas of the pack take too much time: they repeat large objects too often")
	}
	b := bytes.NewBuffer(make([]byte, 0, h.Length+bytes.MinRead))
	_, _, err = p.scanner.NextObject(b)
	return b.Bytes(), err
}

// HasEncodedObject implements [storer.EncodedObjectStorer].
func (p *gitPack) HasEncodedObject(hash plumbing.Hash) error {
	if _, ok := p.find(hash); !ok {
		return plumbing.ErrObjectNotFound
	}
	return nil
}

// EncodedObject implements [storer.EncodedObjectStorer].
func (p *gitPack) EncodedObject(kind plumbing.ObjectType, hash plumbing.Hash) (plumbing.EncodedObject, error) {
	i, ok := p.find(hash)
	if !ok {
		return nil, plumbing.ErrObjectNotFound
	}
	object, err := p.object(i)
	switch {
	case err != nil:
		return nil, err
	case kind != plumbing.AnyObject && kind != object.Type():
		return nil, plumbing.ErrObjectNotFound
	case object.Size() > maxSize(object.Type()):
		return nil, fmt.Errorf("%s %s has more than %d bytes", object.Type(), hash, maxSize(object.Type()))
	}
	return object, nil
}

// maxSize returns the maximum size in bytes of a git object of type kind. Only blobs may
// be large: go-git holds commits, trees and tags in memory.
func maxSize(kind plumbing.ObjectType) int64 {
	switch kind {
	case plumbing.CommitObject, plumbing.TagObject:
		return maxGitText
	case plumbing.TreeObject:
		return maxGitTree
	}
	return maxGitObject
}

func (p *gitPack) object(i uint32) (plumbing.EncodedObject, error) {
	o := p.objects.at(i)
	if o.base < wholeObject {
		kind, data, err := p.content(i)
		if err != nil {
			return nil, err
		}
		m := &plumbing.MemoryObject{}
		m.SetType(kind)
		_, err = m.Write(data)
		return m, err
	}
	h, err := p.scanner.SeekObjectHeader(o.offset)
	if err != nil {
		return nil, err
	}
	return &packedObject{pack: p, hash: o.hash, header: h}, nil
}

// packedObject is an object that is stored whole in a pack. Its content is read from the
// pack file on demand and cannot be changed.
type packedObject struct {
	pack   *gitPack
	hash   plumbing.Hash
	header *packfile.ObjectHeader
}

// Hash implements [plumbing.EncodedObject].
func (o *packedObject) Hash() plumbing.Hash { return o.hash }

// Type implements [plumbing.EncodedObject].
func (o *packedObject) Type() plumbing.ObjectType { return o.header.Type }

// SetType implements [plumbing.EncodedObject]. It does nothing.
func (o *packedObject) SetType(plumbing.ObjectType) {}

// Size implements [plumbing.EncodedObject].
func (o *packedObject) Size() int64 { return o.header.Length }

// SetSize implements [plumbing.EncodedObject]. It does nothing.
func (o *packedObject) SetSize(int64) {}

// Reader implements [plumbing.EncodedObject].
func (o *packedObject) Reader() (io.ReadCloser, error) {
	s := packScanner(o.pack.file)
	if _, err := s.SeekObjectHeader(o.header.Offset); err != nil {
		return nil, err
	}
	return s.ReadObject()
}

// Writer implements [plumbing.EncodedObject]. It always fails.
func (o *packedObject) Writer() (io.WriteCloser, error) { return nil, errors.ErrUnsupported }
