package llbsource

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1" //nolint:gosec // git's format
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"path"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/objfile"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// packSelection is a set of objects of a pack.
type packSelection struct {
	pack *gitPack
	in   []bool // by index in pack.objects
	n    uint32
}

// selectObjects returns an empty selection of the objects of r.
func (r *gitRepository) selectObjects() (*packSelection, error) {
	p, ok := r.EncodedObjectStorer.(*gitPack)
	if !ok {
		return nil, errors.New("the objects of the repository are not in a pack")
	}
	return &packSelection{pack: p, in: make([]bool, p.objects.n)}, nil
}

func (s *packSelection) add(hash plumbing.Hash) error {
	i, ok := s.pack.find(hash)
	if !ok {
		return fmt.Errorf("object %s: %w", hash, plumbing.ErrObjectNotFound)
	}
	if !s.in[i] {
		s.in[i] = true
		s.n++
	}
	return nil
}

// each calls fn for each selected object, in the order of their hashes.
func (s *packSelection) each(ctx context.Context, fn func(plumbing.EncodedObject) error) error {
	for _, i := range s.pack.byHash {
		if !s.in[i] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		o, err := s.pack.object(i)
		if err == nil {
			err = fn(o)
		}
		if err != nil {
			return fmt.Errorf("object %s: %w", s.pack.objects.at(i).hash, err)
		}
	}
	return nil
}

// selectCommit adds the commit to the selection, and the annotated tags that lead to it from
// the given object.
func (r *gitRepository) selectCommit(s *packSelection, from, commit plumbing.Hash) error {
	for from != commit {
		if err := s.add(from); err != nil {
			return err
		}
		tag, err := object.GetTag(r, from)
		if err != nil {
			return fmt.Errorf("tag %s: %w", from, err)
		}
		from = tag.Target
	}
	return s.add(commit)
}

// addObjects adds the selected objects to the repository c: as a pack with its index, or as a
// file for each object.
func (d *gitDir) addObjects(ctx context.Context, c *gitClone, used *packSelection) error {
	if c.unpack && used.n < maxUnpackedObjects {
		return used.each(ctx, func(o plumbing.EncodedObject) error { return d.addObject(c, o) })
	}
	w := &packWriter{}
	pack, err := d.r.spool(func(temp *os.File) (io.Reader, error) {
		if err := w.write(ctx, temp, used); err != nil {
			return nil, err
		}
		_, err := temp.Seek(0, io.SeekStart)
		return temp, err
	})
	if err != nil {
		return err
	}
	name := path.Join(c.dir, fmt.Sprintf("objects/pack/pack-%x", w.index.PackfileChecksum))
	if err := d.putBlob(name+".pack", 0o444, pack); err != nil {
		return err
	}
	var index bytes.Buffer
	if _, err := idxfile.NewEncoder(&index).Encode(&w.index); err != nil {
		return err
	}
	return d.put(name+".idx", 0o444, index.Bytes())
}

func (d *gitDir) addObject(c *gitClone, o plumbing.EncodedObject) error {
	b, err := d.r.spool(func(temp *os.File) (io.Reader, error) {
		w := objfile.NewWriter(temp)
		err := w.WriteHeader(o.Type(), o.Size())
		if err == nil {
			err = copyObject(w, o)
		}
		if err = errors.Join(err, w.Close()); err != nil {
			return nil, err
		}
		_, err = temp.Seek(0, io.SeekStart)
		return temp, err
	})
	if err != nil {
		return err
	}
	const dirDigits = 2
	name := o.Hash().String()
	return d.putBlob(path.Join(c.dir, "objects", name[:dirDigits], name[dirDigits:]), 0o444, b)
}

func copyObject(w io.Writer, o plumbing.EncodedObject) error {
	r, err := o.Reader()
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, r.Close())
}

// packWriter writes a pack of whole objects, and collects its index. The objects must be in
// the order of their hashes.
//
// See https://git-scm.com/docs/gitformat-pack.
type packWriter struct {
	index  idxfile.MemoryIndex
	out    io.Writer // also computes sum and crc
	sum    hash.Hash
	crc    hash.Hash32
	offset int64
	zlib   *zlib.Writer
}

func (w *packWriter) write(ctx context.Context, to io.Writer, s *packSelection) error {
	const version = 2
	buffer := bufio.NewWriter(to)
	w.sum, w.crc = sha1.New(), crc32.NewIEEE() //nolint:gosec // git's format
	w.out = io.MultiWriter(buffer, w.sum, w.crc)
	w.zlib = zlib.NewWriter(w)
	w.index.Version = version
	for i := range w.index.FanoutMapping {
		w.index.FanoutMapping[i] = -1
	}
	head := binary.BigEndian.AppendUint32([]byte("PACK"), version)
	if _, err := w.Write(binary.BigEndian.AppendUint32(head, s.n)); err != nil {
		return err
	}
	if err := s.each(ctx, w.add); err != nil {
		return err
	}
	for i, n := 0, uint32(0); i < len(w.index.Fanout); i++ {
		n += w.index.Fanout[i]
		w.index.Fanout[i] = n
	}
	w.sum.Sum(w.index.PackfileChecksum[:0])
	if _, err := buffer.Write(w.index.PackfileChecksum[:]); err != nil {
		return err
	}
	return buffer.Flush()
}

// Write implements [io.Writer]. It writes to the pack.
func (w *packWriter) Write(p []byte) (int, error) {
	n, err := w.out.Write(p)
	w.offset += int64(n)
	return n, err
}

func (w *packWriter) add(o plumbing.EncodedObject) error {
	w.crc.Reset()
	at := w.offset
	if _, err := io.WriteString(w, packedHeader(o.Type(), o.Size())); err != nil {
		return err
	}
	w.zlib.Reset(w)
	if err := copyObject(w.zlib, o); err != nil {
		return err
	}
	if err := w.zlib.Close(); err != nil {
		return err
	}
	w.addToIndex(o.Hash(), at)
	return nil
}

// packedHeader returns the header of an object in a pack. Its first byte contains the type and
// the lowest four bits of the size.
func packedHeader(kind plumbing.ObjectType, size int64) string {
	const low, more = 4, 0x80
	first := byte(kind)<<low | byte(size&(1<<low-1))
	if size >>= low; size == 0 {
		return string([]byte{first})
	}
	return string(binary.AppendUvarint([]byte{first | more}, uint64(size)))
}

// addToIndex adds the object that was written last, which starts at an offset of the pack.
func (w *packWriter) addToIndex(hash plumbing.Hash, at int64) {
	const isLong = 1 << 31 // the offset is a position in the list of 64-bit offsets
	x := &w.index
	first := hash[0]
	if x.Fanout[first] == 0 {
		x.FanoutMapping[first] = len(x.Names)
		x.Names, x.CRC32, x.Offset32 = append(x.Names, nil), append(x.CRC32, nil), append(x.Offset32, nil)
	}
	x.Fanout[first]++
	i := x.FanoutMapping[first]
	offset := uint32(at)
	if at >= isLong {
		offset = isLong | uint32(len(x.Offset64)/binary.Size(at))
		x.Offset64 = binary.BigEndian.AppendUint64(x.Offset64, uint64(at))
	}
	x.Names[i] = append(x.Names[i], hash[:]...)
	x.CRC32[i] = binary.BigEndian.AppendUint32(x.CRC32[i], w.crc.Sum32())
	x.Offset32[i] = binary.BigEndian.AppendUint32(x.Offset32[i], offset)
}

// withSum returns a reader of the content of r and its SHA-1 sum.
func withSum(r io.Reader) io.Reader {
	sum := sha1.New() //nolint:gosec // git's format
	return io.MultiReader(io.TeeReader(r, sum), &sumReader{hash: sum})
}

// sumReader reads the sum of a hash, as it is at the first read.
type sumReader struct {
	hash hash.Hash
	left *bytes.Reader
}

// Read implements [io.Reader].
func (s *sumReader) Read(p []byte) (int, error) {
	if s.left == nil {
		s.left = bytes.NewReader(s.hash.Sum(nil))
	}
	return s.left.Read(p)
}
