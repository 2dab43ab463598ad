package tree

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// A directory is encoded as its metadata followed by one row per entry. Numbers are
// varints, and a string follows its length. Each directory has exactly one encoding. The
// row of a subdirectory contains its digest, so that a changed file changes one row in
// each of its parent directories.

// encode returns the binary encoding of a directory. If times is false, it omits times and
// hard links: digests in cache keys use this form, because they must not change if the same
// files are rebuilt or checked out again.
func (n *Node) encode(times bool) []byte {
	buf := make([]byte, 0, 64+96*len(n.entries))
	buf = appendMeta(buf, n.meta, times)
	for _, e := range n.entries {
		buf = appendString(buf, e.Name)
		buf = e.Node.appendRow(buf, times)
	}
	return buf
}

// appendRow appends the encoding of n, an entry of a directory, to buf, but not the name of
// the entry. If times is false, it omits times and hard links.
func (n *Node) appendRow(buf []byte, times bool) []byte {
	linked := times && n.inode != "" && n.kind != File
	kind := byte(n.kind)
	if linked {
		kind |= linkedFlag
	}
	buf = append(buf, kind)
	if n.kind == Dir {
		// The digest covers the metadata of the directory as well.
		if times {
			return appendString(buf, string(n.id))
		}
		return appendString(buf, string(n.Digest()))
	}
	buf = appendMeta(buf, n.meta, times)
	switch n.kind {
	case File:
		buf = appendString(buf, string(n.blob.Digest))
		buf = binary.AppendUvarint(buf, uint64(n.blob.Size))
		if times {
			buf = appendString(buf, n.inode)
		}
	case Symlink:
		buf = appendString(buf, n.target)
	default:
		buf = binary.AppendUvarint(buf, uint64(n.device.Major))
		buf = binary.AppendUvarint(buf, uint64(n.device.Minor))
	}
	if linked {
		buf = appendString(buf, n.inode)
	}
	return buf
}

// linkedFlag is set in the kind byte of a hard link that is not a regular file. It means
// that the encoding of the entry ends with the inode. For regular files, the encoding
// always contains the inode, so they need no flag.
const linkedFlag = 0x80

// appendMeta appends the encoding of the metadata m to buf. If times is false, it omits the
// modification time.
func appendMeta(buf []byte, m Meta, times bool) []byte {
	buf = binary.AppendUvarint(buf, uint64(m.Mode))
	buf = binary.AppendUvarint(buf, uint64(m.UID))
	buf = binary.AppendUvarint(buf, uint64(m.GID))
	if times {
		buf = binary.AppendVarint(buf, m.ModTime.Unix())
		buf = binary.AppendUvarint(buf, uint64(m.ModTime.Nanosecond()))
	}
	buf = binary.AppendUvarint(buf, uint64(len(m.Xattrs)))
	for _, x := range m.Xattrs {
		buf = appendString(buf, x.Name)
		buf = appendString(buf, x.Value)
	}
	return buf
}

// appendString appends the length of s and then s itself to buf.
func appendString(buf []byte, s string) []byte {
	buf = binary.AppendUvarint(buf, uint64(len(s)))
	return append(buf, s...)
}

// Digest returns the digest of the node for cache keys. It covers the node and everything
// below it, except for times and hard links. If two nodes have equal digests, their
// content, modes, owners and extended attributes are equal.
func (n *Node) Digest() digest.Digest {
	if n.kind != Dir {
		return digest.FromBytes(n.appendRow(nil, false))
	}
	n.content.once.Do(func() { n.content.value = digest.FromBytes(n.encode(false)) })
	return n.content.value
}

// ID returns the digest that identifies a directory in a [Store]. Unlike [Node.Digest], it
// also covers times and hard links. For a node that is not a directory, it is "".
func (n *Node) ID() digest.Digest { return n.id }

// errTruncated is the error for an encoding that ends too early.
var errTruncated = errors.New("the encoding ends too early")

// decoder reads the encoding of a directory from its start. After an error, its methods
// return zero values, so that callers need to check err only at the end.
type decoder struct {
	buf []byte
	err error
}

// decode returns the directory that data encodes. To load each subdirectory, it calls
// the function sub with the ID of the subdirectory. It returns an error for data that
// encode would not write.
func decode(data []byte, sub func(digest.Digest) (*Node, error)) (*Node, error) {
	d := &decoder{buf: data}
	meta := d.meta()
	var entries []Entry
	for d.err == nil && len(d.buf) > 0 {
		entries = append(entries, Entry{Name: d.string(), Node: d.node(sub)})
	}
	if d.err != nil {
		return nil, d.err
	}
	if err := checkNames(entries); err != nil {
		return nil, err
	}
	n := &Node{kind: Dir, meta: meta, entries: entries, content: &lazyDigest{}, id: digest.FromBytes(data)}
	n.linked, n.sockets = slices.ContainsFunc(entries, Entry.linked), slices.ContainsFunc(entries, Entry.sockets)
	if !bytes.Equal(n.encode(true), data) {
		return nil, fmt.Errorf("encoding of %s is not canonical", n.id)
	}
	return n, nil
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

// node reads the encoding of a directory entry after the name of the entry. If the
// entry is a subdirectory, node calls the function sub with its ID to load it.
func (d *decoder) node(sub func(digest.Digest) (*Node, error)) *Node {
	first := d.byte()
	kind := Kind(first &^ linkedFlag)
	if kind == Dir {
		id := digest.Digest(d.string())
		if d.err != nil {
			return nil
		}
		var n *Node
		n, d.err = sub(id)
		return n
	}
	n := &Node{kind: kind, meta: d.meta()}
	switch kind {
	case File:
		n.blob.Digest = digest.Digest(d.string())
		n.blob.Size = int64(d.uint(1<<63 - 1))
		n.inode = d.string()
		if d.err == nil {
			d.err = checkDigest(n.blob.Digest)
		}
	case Symlink:
		n.target = d.string()
	case CharDevice, BlockDevice, Fifo, Socket:
		n.device = Device{Major: uint32(d.uint(1<<32 - 1)), Minor: uint32(d.uint(1<<32 - 1))}
	default:
		d.fail(fmt.Errorf("unknown file type: %s", kind))
	}
	if first&linkedFlag != 0 && kind != File {
		n.inode = d.string()
	}
	return n
}

// meta reads the metadata of a file or directory: mode, owner, time and extended
// attributes.
func (d *decoder) meta() Meta {
	m := Meta{
		Mode: uint32(d.uint(0o7777)),
		UID:  uint32(d.uint(1<<32 - 1)),
		GID:  uint32(d.uint(1<<32 - 1)),
	}
	sec, n := binary.Varint(d.buf)
	d.skip(n)
	m.ModTime = time.Unix(sec, int64(d.uint(999_999_999))).UTC()
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

// byte reads one byte.
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

// string reads the length of a string and then the string.
func (d *decoder) string() string {
	n := d.uint(uint64(len(d.buf)))
	if n > uint64(len(d.buf)) {
		d.fail(errTruncated)
	}
	if d.err != nil || n == 0 {
		return ""
	}
	s := string(d.buf[:n])
	d.skip(int(n))
	return s
}
