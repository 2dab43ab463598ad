package tree

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"sort"
	"strings"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
)

// Location is the path of a blob's file in a layer directory.
type Location struct {
	Blob Blob
	Path string // path relative to the layer directory
}

// blobIndex lists the blobs in a layer directory. It is stored in a file next to the
// directory. The file is read into memory as a whole, and searched in this encoding:
//
//	magic
//	number of blobs           4 bytes
//	for each blob, sorted by digest:
//	    digest               32 bytes
//	    size                  8 bytes
//	    end of the path       4 bytes
//	paths
//	SHA-256 of everything before
//
// Numbers are big-endian. The end of a path is an offset in the paths. Each path starts at the
// end of the previous one.
type blobIndex struct {
	layer   string // path of the directory
	count   int
	records []byte
	paths   []byte
	checked []atomic.Bool // for each blob, whether this process has verified the digest
	used    atomic.Bool   // whether this process has found a blob in the index, or has written the layer
}

const (
	indexMagic  = "slipway blobs 1\n"
	indexRecord = sha256.Size + 8 + 4
)

// encodeIndex returns the content of an index file for the given blobs. If several locations
// have the same digest, the index contains only the one with the first path in sorted order.
func encodeIndex(list []Location) ([]byte, error) {
	type entry struct {
		key [sha256.Size]byte
		at  *Location
	}
	entries := make([]entry, len(list))
	for i := range list {
		key, err := indexKey(list[i].Blob.Digest)
		if err != nil {
			return nil, err
		}
		entries[i] = entry{key, &list[i]}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(bytes.Compare(a.key[:], b.key[:]), cmp.Compare(a.at.Path, b.at.Path))
	})
	entries = slices.CompactFunc(entries, func(a, b entry) bool { return a.key == b.key })
	end := 0
	for _, e := range entries {
		end += len(e.at.Path)
	}
	out := make([]byte, 0, len(indexMagic)+4+len(entries)*indexRecord+end+sha256.Size)
	out = binary.BigEndian.AppendUint32(append(out, indexMagic...), uint32(len(entries)))
	end = 0
	for _, e := range entries {
		end += len(e.at.Path)
		out = append(out, e.key[:]...)
		out = binary.BigEndian.AppendUint64(out, uint64(e.at.Blob.Size))
		out = binary.BigEndian.AppendUint32(out, uint32(end))
	}
	for _, e := range entries {
		out = append(out, e.at.Path...)
	}
	sum := sha256.Sum256(out)
	return append(out, sum[:]...), nil
}

// indexKey returns the 32 bytes of a SHA-256 digest, by which an index is searched. It does
// not use [digest.Digest.Validate], whose regular expression takes longer than the rest of a
// search.
func indexKey(d digest.Digest) (key [sha256.Size]byte, err error) {
	text, ok := strings.CutPrefix(string(d), "sha256:")
	if !ok {
		return key, digest.ErrDigestUnsupported
	}
	if len(text) != 2*sha256.Size {
		return key, digest.ErrDigestInvalidLength
	}
	_, err = hex.Decode(key[:], []byte(text))
	return key, err
}

// errIndex is the error for a damaged index file.
var errIndex = errors.New("the index of the layer is damaged")

// parseIndex returns the index of a layer directory. The parameter layer is the path of the
// directory, and data is the content of the index file.
func parseIndex(layer string, data []byte) (*blobIndex, error) {
	content, sum := data[:max(0, len(data)-sha256.Size)], data[max(0, len(data)-sha256.Size):]
	if want := sha256.Sum256(content); !bytes.Equal(sum, want[:]) {
		return nil, errIndex
	}
	content, ok := bytes.CutPrefix(content, []byte(indexMagic))
	if !ok || len(content) < 4 {
		return nil, errIndex
	}
	n := int(binary.BigEndian.Uint32(content))
	if content = content[4:]; len(content)/indexRecord < n {
		return nil, errIndex
	}
	x := &blobIndex{layer: layer, count: n, records: content[:n*indexRecord], paths: content[n*indexRecord:], checked: make([]atomic.Bool, n)}
	end := uint32(0)
	for i := range n {
		if x.end(i) < end || int64(x.end(i)) > int64(len(x.paths)) {
			return nil, errIndex
		}
		end = x.end(i)
	}
	return x, nil
}

// record returns the encoded record of the blob with the number i.
func (x *blobIndex) record(i int) []byte { return x.records[i*indexRecord : (i+1)*indexRecord] }

// end returns the end of the path of the blob with the number i, as an offset in the paths.
func (x *blobIndex) end(i int) uint32 {
	return binary.BigEndian.Uint32(x.record(i)[sha256.Size+8:])
}

// location returns the location of the blob with the number i.
func (x *blobIndex) location(i int) Location {
	r, start := x.record(i), uint32(0)
	if i > 0 {
		start = x.end(i - 1)
	}
	d := digest.NewDigestFromEncoded(digest.SHA256, hex.EncodeToString(r[:sha256.Size]))
	return Location{Blob{d, int64(binary.BigEndian.Uint64(r[sha256.Size:]))}, string(x.paths[start:x.end(i)])}
}

// find returns the number of the blob whose digest has the given bytes, and reports whether
// the index contains the blob.
func (x *blobIndex) find(key [sha256.Size]byte) (i int, ok bool) {
	i = sort.Search(x.count, func(i int) bool { return bytes.Compare(x.record(i)[:sha256.Size], key[:]) >= 0 })
	return i, i < x.count && bytes.HasPrefix(x.record(i), key[:])
}

// without returns the locations in the index, except for the blob with the number i.
func (x *blobIndex) without(i int) []Location {
	list := make([]Location, 0, x.count)
	for k := range x.count {
		if k != i {
			list = append(list, x.location(k))
		}
	}
	return list
}

// validPath reports whether name is a relative path without "." and "..".
func validPath(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if !ValidName(part) {
			return false
		}
	}
	return true
}
