package llbsource

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1" //nolint:gosec // git packs end with a SHA-1
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"

	"slipway/internal/memtest"
	"slipway/internal/slowtest"
)

// packBuilder builds a git pack in memory.
type packBuilder struct {
	t       testing.TB
	body    bytes.Buffer
	objects uint32
	w       *zlib.Writer
}

// add adds an object or a delta to the pack and returns its offset. For a delta, the
// parameter reference is the encoded reference to the base, which add writes after the
// object header. For another object, it is empty.
func (b *packBuilder) add(kind plumbing.ObjectType, reference, data string) int64 {
	const headerSize = 12
	at := int64(b.body.Len() + headerSize)
	b.body.WriteString(packedHeader(kind, int64(len(data))) + reference)
	if b.w == nil {
		b.w = zlib.NewWriter(&b.body)
	}
	b.w.Reset(&b.body)
	_, err := io.WriteString(b.w, data)
	if err = errors.Join(err, b.w.Close()); err != nil {
		b.t.Fatal(err)
	}
	b.objects++
	return at
}

// after adds a delta to the pack and returns the delta's offset. The parameter base is
// the offset of the delta's base object, and data is the content of the delta.
func (b *packBuilder) after(base int64, data string) int64 {
	const headerSize = 12
	return b.add(plumbing.OFSDeltaObject, distance(int64(b.body.Len()+headerSize)-base), data)
}

// distance returns the encoding of the distance between a delta and its base.
//
// See https://git-scm.com/docs/gitformat-pack.
func distance(n int64) string {
	bytes := []byte{byte(n & 0x7f)}
	for n >>= 7; n > 0; n >>= 7 {
		n--
		bytes = append([]byte{byte(n&0x7f) | 0x80}, bytes...)
	}
	return string(bytes)
}

func (b *packBuilder) pack() io.Reader {
	data := append(binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), b.objects), b.body.Bytes()...)
	sum := sha1.Sum(data) //nolint:gosec // git packs end with a SHA-1
	return bytes.NewReader(append(data, sum[:]...))
}

// appending returns a delta whose result is the base followed by text. The parameter size is
// the size of the base.
func appending(size int, text string) string {
	delta := binary.AppendUvarint(binary.AppendUvarint(nil, uint64(size)), uint64(size+len(text)))
	delta = append(delta, 0x80|0x10|0x20, byte(size), byte(size>>8)) // copies from offset 0
	return string(append(delta, byte(len(text)))) + text
}

func blobHash(text string) plumbing.Hash {
	return plumbing.ComputeHash(plumbing.BlobObject, []byte(text))
}

func named(text string) string { return hashOf(blobHash(text)) }

// TestPack checks that gitPack finds all objects by hash, whatever the order of bases and
// deltas in the pack.
func TestPack(t *testing.T) {
	for about, tc := range map[string]struct {
		build func(b *packBuilder)
		want  []string
	}{
		"whole": {func(b *packBuilder) { b.add(plumbing.BlobObject, "", "a"); b.add(plumbing.BlobObject, "", "") }, []string{"a", ""}},
		"deltas": {func(b *packBuilder) {
			b.after(b.after(b.add(plumbing.BlobObject, "", "a"), appending(1, "b")), appending(2, "c"))
		}, []string{"a", "ab", "abc"}},
		"far": {func(b *packBuilder) {
			first := b.add(plumbing.BlobObject, "", "a")
			for i := range 300 {
				b.add(plumbing.BlobObject, "", strings.Repeat("x", i))
			}
			b.after(first, appending(1, "b"))
		}, []string{"a", "ab", "xx"}},
		"by hash": {func(b *packBuilder) {
			b.add(plumbing.BlobObject, "", "a")
			b.add(plumbing.REFDeltaObject, named("a"), appending(1, "b"))
			b.add(plumbing.REFDeltaObject, named("ab"), appending(2, "c"))
		}, []string{"a", "ab", "abc"}},
		"before their bases": {func(b *packBuilder) {
			last := b.add(plumbing.REFDeltaObject, named("ab"), appending(2, "c"))
			b.after(last, appending(3, "d"))
			b.add(plumbing.REFDeltaObject, named("a"), appending(1, "b"))
			b.add(plumbing.REFDeltaObject, named("a"), appending(1, "c"))
			b.add(plumbing.BlobObject, "", "a")
		}, []string{"a", "ab", "abc", "abcd", "ac"}},
	} {
		b := &packBuilder{t: t}
		tc.build(b)
		dir := t.TempDir()
		p, err := readPack(t.Context(), b.pack(), packTarget{dir, maxPackMemory})
		if err != nil {
			t.Errorf("%s: %v", about, err)
			continue
		}
		for range 2 { // first with an empty cache, then with a filled one
			for _, want := range tc.want {
				checkObject(t, p, about, want)
			}
			p.cache.Clear()
		}
		if _, err := p.EncodedObject(plumbing.TreeObject, blobHash(tc.want[0])); !errors.Is(err, plumbing.ErrObjectNotFound) {
			t.Errorf("%s: blob requested as a tree: error %v, want not found", about, err)
		}
		if _, err := p.EncodedObject(plumbing.AnyObject, blobHash("missing")); !errors.Is(err, plumbing.ErrObjectNotFound) || p.HasEncodedObject(blobHash("missing")) == nil {
			t.Errorf("%s: missing object: error %v, want not found", about, err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
			t.Errorf("%s: files are left: %v, %v", about, list, err)
		}
	}
}

func checkObject(t *testing.T, p *gitPack, about, want string) {
	t.Helper()
	o, err := p.EncodedObject(plumbing.BlobObject, blobHash(want))
	if err != nil {
		t.Errorf("%s: %q: %v", about, want, err)
		return
	}
	r, err := o.Reader()
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil || string(got) != want {
		t.Errorf("%s: %q, %v, want %q", about, got, err, want)
	}
	if o.Hash() != blobHash(want) || o.Type() != plumbing.BlobObject || o.Size() != int64(len(want)) || p.HasEncodedObject(o.Hash()) != nil {
		t.Errorf("%s: %q is a %s %s of %d bytes", about, want, o.Type(), o.Hash(), o.Size())
	}
}

// TestBadDeltas checks that reading a pack with an invalid delta fails and removes the
// temporary file.
func TestBadDeltas(t *testing.T) {
	slowtest.Skip(t, "tries thousands of deltas")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for about, tc := range map[string]struct {
		build func(b *packBuilder)
		want  error
	}{
		"no base by hash": {func(b *packBuilder) { b.add(plumbing.REFDeltaObject, named("a"), appending(1, "b")) }, packfile.ErrReferenceDeltaNotFound},
		"each the base of the other": {func(b *packBuilder) {
			b.add(plumbing.REFDeltaObject, named("a"), appending(1, "b"))
			b.add(plumbing.REFDeltaObject, named("ab"), appending(1, "b"))
		}, packfile.ErrReferenceDeltaNotFound},
		"no base at the offset": {func(b *packBuilder) { b.after(b.add(plumbing.BlobObject, "", "a")+1, appending(1, "b")) }, plumbing.ErrObjectNotFound},
		"base of another size":  {func(b *packBuilder) { b.after(b.add(plumbing.BlobObject, "", "aa"), appending(1, "b")) }, packfile.ErrInvalidDelta},
		"base of a huge size": {func(b *packBuilder) {
			b.after(b.add(plumbing.BlobObject, "", strings.Repeat("a", 999)), appending(1, "b"))
		}, packfile.ErrInvalidDelta},
		"end of a delta missing":  {func(b *packBuilder) { b.after(b.add(plumbing.BlobObject, "", "a"), appending(1, "bc")[:7]) }, packfile.ErrInvalidDelta},
		"delta without its sizes": {func(b *packBuilder) { b.after(b.add(plumbing.BlobObject, "", "a"), "\x80") }, packfile.ErrInvalidDelta},
		"too long a chain": {func(b *packBuilder) {
			at := b.add(plumbing.BlobObject, "", "a")
			for i := range maxDeltaDepth {
				at = b.after(at, appending(i+1, "b"))
			}
		}, packfile.ErrMalformedPackFile},
	} {
		b := &packBuilder{t: t}
		tc.build(b)
		dir := t.TempDir()
		if _, err := readPack(t.Context(), b.pack(), packTarget{dir, maxPackMemory}); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", about, err, tc.want)
		}
		if _, err := readPack(canceled, b.pack(), packTarget{dir, maxPackMemory}); !errors.Is(err, context.Canceled) && !errors.Is(err, plumbing.ErrObjectNotFound) {
			t.Errorf("%s: after the build was canceled: %v", about, err)
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
			t.Errorf("%s: files are left: %v, %v", about, list, err)
		}
	}
}

// TestPackWork checks that a base that is too large for the cache is decompressed once
// for consecutive deltas on it, and that the total work for deltas is limited.
func TestPackWork(t *testing.T) {
	slowtest.Skip(t, "unpacks large objects")
	const size, deltas = packCache + 1<<20, 20
	b := &packBuilder{t: t}
	base := b.add(plumbing.BlobObject, "", strings.Repeat("\x00", size))
	for i := range deltas { // each appends four bytes
		delta := binary.AppendUvarint(binary.AppendUvarint(nil, size), 4)
		b.after(base, string(append(delta, 4, 'a', 'b', 'c', byte(i))))
	}
	p, err := readPack(t.Context(), b.pack(), packTarget{t.TempDir(), maxPackMemory})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	info, err := p.file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if work := minPackWork + packWorkRatio*info.Size() - p.work; work < size || work > size+deltas*100 {
		t.Errorf("%d bytes were decompressed and patched, want %d and a little more", work, size)
	}
	p.cache.Clear()
	p.base, p.work = packedBase{}, size
	if _, _, err := p.content(1); err == nil || !strings.Contains(err.Error(), "take too much time") {
		t.Errorf("delta after the work limit: error %v", err)
	}
}

// TestPackMemory checks that gitPack does not hold a large object in memory, and that
// open packs share one memory limit.
func TestPackMemory(t *testing.T) {
	slowtest.Skip(t, "unpacks large objects")
	const size, most = 64 << 20, 16 << 20
	var data bytes.Buffer
	w := zlib.NewWriter(&data)
	_, err := w.Write(make([]byte, size))
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	b := &packBuilder{t: t, objects: 1}
	b.body.WriteString(packedHeader(plumbing.BlobObject, size) + data.String())
	used := memtest.Allocated(func() {
		if n := unpackFirst(t, b.pack()); n != size {
			t.Errorf("the object has %d bytes, want %d", n, size)
		}
	}, most)
	if used > most {
		t.Errorf("%d bytes of memory were allocated, want at most %d", used, most)
	}
	few := &packBuilder{t: t}
	few.add(plumbing.BlobObject, "", "a")
	if _, err := readPack(t.Context(), few.pack(), packTarget{t.TempDir(), packCache + packObjectSize - 1}); err == nil || !strings.Contains(err.Error(), "the pack needs too much memory: it has 1 objects") {
		t.Errorf("pack above the memory limit: error %v", err)
	}
	if p, err := readPack(t.Context(), few.pack(), packTarget{t.TempDir(), packCache + packObjectSize}); err != nil || p.memory() != packObjectSize || p.Close() != nil {
		t.Errorf("pack within the memory limit: error %v, want none", err)
	}
}

// unpackFirst reads the first object of a pack and returns its size.
func unpackFirst(t *testing.T, pack io.Reader) int64 {
	t.Helper()
	p, err := readPack(t.Context(), pack, packTarget{t.TempDir(), maxPackMemory})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	o, err := p.object(0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := o.Reader()
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, r)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
