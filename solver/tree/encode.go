package tree

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// The encoding of a node has two parts, content and times. Cache keys depend only on the
// content, because they must not change if the same files are rebuilt or checked out again.
// Numbers are varints, and a string follows its length. Each node has exactly one encoding.
//
//	content: the kind, mode, owner and extended attributes, and for
//	         a file       its digest and size
//	         a symlink    its target
//	         a device     its major and minor number
//	         a directory  the content digest of its listing
//	times:   the modification time, and for
//	         a directory  the ID of its listing, see [listing.appendTimes]
//	         others       the inode
//
// A listing is encoded as the name and content of each entry, followed by the times of each
// entry. Since the metadata of a directory is in the listing of its parent, the listing of
// the directory itself is read only if its entries are needed. A changed file changes one
// listing at each level above it.

// appendContent appends the part of the node's encoding that Digest covers: everything except
// for times and hard links.
func (n *Node) appendContent(buf []byte) []byte {
	buf = append(buf, byte(n.kind))
	buf = binary.AppendUvarint(buf, uint64(n.meta.Mode))
	buf = binary.AppendUvarint(buf, uint64(n.meta.UID))
	buf = binary.AppendUvarint(buf, uint64(n.meta.GID))
	buf = binary.AppendUvarint(buf, uint64(len(n.meta.Xattrs)))
	for _, x := range n.meta.Xattrs {
		buf = appendString(buf, x.Name)
		buf = appendString(buf, x.Value)
	}
	switch n.kind {
	case Dir:
		return appendString(buf, string(n.list.content))
	case File:
		buf = appendString(buf, string(n.blob.Digest))
		return binary.AppendUvarint(buf, uint64(n.blob.Size))
	case Symlink:
		return appendString(buf, n.target)
	case CharDevice, BlockDevice, Fifo, Socket:
		buf = binary.AppendUvarint(buf, uint64(n.device.Major))
		return binary.AppendUvarint(buf, uint64(n.device.Minor))
	}
	return buf
}

// appendTimes appends the part of the node's encoding that only ID covers: times and hard
// links.
func (n *Node) appendTimes(buf []byte) []byte {
	buf = binary.AppendVarint(buf, n.meta.ModTime.Unix())
	buf = binary.AppendUvarint(buf, uint64(n.meta.ModTime.Nanosecond()))
	if n.kind == Dir {
		return n.list.appendTimes(buf)
	}
	return appendString(buf, n.inode)
}

// encode returns the complete encoding of the node: first the content part, then the times
// part.
func (n *Node) encode() []byte { return n.appendTimes(n.appendContent(nil)) }

// These are flags in the encoded description of a listing.
const (
	linkedFlag = 1 << iota
	socketsFlag
)

// appendTimes appends the ID, the size and the flags of the listing to buf. They are part of
// the encoding of the directory that has the listing.
func (l *listing) appendTimes(buf []byte) []byte {
	var flags byte
	if l.linked {
		flags |= linkedFlag
	}
	if l.sockets {
		flags |= socketsFlag
	}
	buf = append(appendString(buf, string(l.id)), flags)
	return binary.AppendUvarint(buf, uint64(l.size))
}

// encoding is an encoded listing. It has two parts, because a digest for cache keys must not
// cover times and hard links.
type encoding struct{ content, times []byte }

// encodeEntries returns the encoded listing of a directory with the given entries.
func encodeEntries(entries []Entry) encoding {
	e := encoding{make([]byte, 0, 112*len(entries)), make([]byte, 0, 16*len(entries))}
	for _, entry := range entries {
		e.content = entry.Node.appendContent(appendString(e.content, entry.Name))
		e.times = entry.Node.appendTimes(e.times)
	}
	return e
}

// digests returns the ID of the listing, which covers both parts of the encoding, and the
// digest of the content part.
func (e encoding) digests() (id, content digest.Digest) {
	content = digest.FromBytes(e.content)
	hash := sha256.New()
	hash.Write([]byte(content))
	hash.Write(e.times)
	return digest.NewDigest(digest.SHA256, hash), content
}

// appendString appends the length of s and then s itself to buf.
func appendString(buf []byte, s string) []byte {
	buf = binary.AppendUvarint(buf, uint64(len(s)))
	return append(buf, s...)
}

// Digest returns the digest of the node for cache keys. It covers the node and everything
// below it, except for times and hard links. If two nodes have equal digests, their
// content, modes, owners and extended attributes are equal.
func (n *Node) Digest() digest.Digest { return digest.FromBytes(n.appendContent(nil)) }

// ID returns the digest that identifies a directory in a [Store]. Unlike [Node.Digest], it
// also covers times and hard links.
func (n *Node) ID() digest.Digest { return digest.FromBytes(n.encode()) }

// errTruncated is the error for an encoding that ends too early.
var errTruncated = errors.New("the encoding ends too early")

// decoder reads an encoded directory from its start. After an error, its methods return zero
// values, so that callers need to check the field err only at the end.
type decoder struct {
	buf []byte
	err error
}

// errEncoding is the error for a valid encoding that this package would not write, for example
// because entries are not sorted.
var errEncoding = errors.New("the encoding is not canonical")

// errTrailing is the error for bytes after the end of an encoding.
var errTrailing = errors.New("data follows the encoding")

// decodeNode returns the directory that data encodes. The entries of the directory are not
// loaded.
func decodeNode(data []byte) (*Node, error) {
	d := &decoder{buf: data}
	n := d.content()
	d.times(n)
	switch {
	case d.err != nil:
		return nil, d.err
	case len(d.buf) > 0:
		return nil, errTrailing
	case n.kind != Dir || !bytes.Equal(n.encode(), data):
		return nil, errEncoding
	}
	return n, nil
}

// decodeEntries returns the entries that e encodes. The entries of subdirectories are not
// loaded. It returns an error for data that encodeEntries would not write.
func decodeEntries(e encoding) ([]Entry, error) {
	d := &decoder{buf: e.content}
	var entries []Entry
	for d.err == nil && len(d.buf) > 0 {
		entries = append(entries, Entry{Name: d.string(), Node: d.content()})
	}
	if d.err == nil {
		d.buf = e.times
	}
	for i := 0; d.err == nil && i < len(entries); i++ {
		d.times(entries[i].Node)
	}
	if d.err == nil && len(d.buf) > 0 {
		d.err = errTrailing
	}
	if d.err == nil {
		d.err = checkNames(entries)
	}
	if d.err != nil {
		return nil, d.err
	}
	if again := encodeEntries(entries); !bytes.Equal(again.content, e.content) || !bytes.Equal(again.times, e.times) {
		return nil, errEncoding
	}
	return entries, nil
}

// checkDigest returns an error if d is not a valid digest. For SHA-256, it is faster than
// [digest.Digest.Validate], which uses a regular expression. Trees contain many digests.
func checkDigest(d digest.Digest) error {
	hex, ok := strings.CutPrefix(string(d), "sha256:")
	if ok && len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == "" {
		return nil
	}
	return d.Validate()
}

// content reads the part of a node's encoding that appendContent writes.
func (d *decoder) content() *Node {
	n := &Node{kind: Kind(d.byte()), meta: d.meta()}
	switch n.kind {
	case Dir:
		n.list = &listing{content: d.digest()}
	case File:
		n.blob = Blob{d.digest(), int64(d.uint(1<<63 - 1))}
	case Symlink:
		n.target = d.string()
	case CharDevice, BlockDevice, Fifo, Socket:
		n.device = Device{Major: uint32(d.uint(1<<32 - 1)), Minor: uint32(d.uint(1<<32 - 1))}
	default:
		d.fail(fmt.Errorf("unknown file type: %s", n.kind))
	}
	return n
}

// times reads the part of a node's encoding that appendTimes writes, and sets the times of n.
// The method content must be called for n before times.
func (d *decoder) times(n *Node) {
	sec, size := binary.Varint(d.buf)
	d.skip(size)
	n.meta.ModTime = time.Unix(sec, int64(d.uint(999_999_999))).UTC()
	if n.kind != Dir {
		n.inode = d.string()
		return
	}
	n.list.id = d.digest()
	flags := d.byte()
	n.list.linked, n.list.sockets = flags&linkedFlag != 0, flags&socketsFlag != 0
	n.list.size = int64(d.uint(1<<63 - 1))
}

// digest reads a digest. It fails if the digest is invalid.
func (d *decoder) digest() digest.Digest {
	v := digest.Digest(d.string())
	if d.err == nil {
		if err := checkDigest(v); err != nil {
			d.fail(err)
		}
	}
	return v
}

// meta reads the mode, owner and extended attributes of a file or directory.
func (d *decoder) meta() Meta {
	m := Meta{
		Mode: uint32(d.uint(0o7777)),
		UID:  uint32(d.uint(1<<32 - 1)),
		GID:  uint32(d.uint(1<<32 - 1)),
	}
	for range d.uint(uint64(len(d.buf))) {
		m.Xattrs = append(m.Xattrs, Xattr{Name: d.string(), Value: d.string()})
		if d.err != nil {
			break
		}
	}
	return m
}

// fail stores err unless an earlier error is stored, and skips the rest of the encoding.
func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.buf = nil
}

// skip drops the next n bytes. It fails if fewer bytes remain. It also fails if n is not
// positive: functions of encoding/binary return such numbers for errors.
func (d *decoder) skip(n int) {
	if n <= 0 || n > len(d.buf) {
		d.fail(errTruncated)
		return
	}
	d.buf = d.buf[n:]
}

// byte reads a single byte.
func (d *decoder) byte() byte {
	if len(d.buf) == 0 {
		d.fail(errTruncated)
		return 0
	}
	b := d.buf[0]
	d.skip(1)
	return b
}

// uint reads a varint. It fails if the number is larger than limit.
func (d *decoder) uint(limit uint64) uint64 {
	v, n := binary.Uvarint(d.buf)
	d.skip(n)
	if v > limit {
		d.fail(fmt.Errorf("the number %d is larger than %d", v, limit))
	}
	if d.err != nil {
		return 0
	}
	return v
}

// string reads a string: first its length in bytes, then the bytes.
func (d *decoder) string() string { return string(d.raw()) }

// raw reads a string as the method string does, but returns a part of the decoder's buffer
// instead of a copy.
func (d *decoder) raw() []byte {
	n := d.uint(uint64(len(d.buf)))
	if n > uint64(len(d.buf)) {
		d.fail(errTruncated)
	}
	if d.err != nil || n == 0 {
		return nil
	}
	s := d.buf[:n:n]
	d.skip(int(n))
	return s
}
