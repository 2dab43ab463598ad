package solver

import (
	"crypto/sha256"
	"encoding/binary"

	"slipway/solver/snapshot"

	"github.com/opencontainers/go-digest"
)

// Key is the cache key of an operation. It covers everything that the outputs depend on: if
// two operations have equal keys, the outputs of one can be used for the other.
type Key struct{ Parts []Part }

// Part is the part of a [Key] that covers one thing on which the outputs depend, such as the
// files that a COPY selects.
type Part struct {
	Name   string // such as "operation", "mount /", "files of copy 0"
	Digest digest.Digest

	// The other fields record where Digest comes from, to explain cache misses. They do
	// not affect the digest of the key.
	Input int           // index of the input of the operation; -1 if the part has no input
	Tree  digest.Digest // id of the file tree that the files were selected from; "" if the part has no files
	From  int           // index of the action or mount that selected the files
}

// Digest returns the digest of the names and digests of all parts, in order.
func (k Key) Digest() digest.Digest {
	h := sha256.New()
	for _, p := range k.Parts {
		for _, s := range []string{p.Name, string(p.Digest)} {
			var n [8]byte
			binary.LittleEndian.PutUint64(n[:], uint64(len(s)))
			h.Write(n[:])
			h.Write([]byte(s))
		}
	}
	return digest.NewDigest(digest.SHA256, h)
}

// identityOf returns a digest that identifies outs, the outputs of an operation that ran
// without using the cache. Because the cache may contain other outputs for the same key,
// this digest covers the key and the files of the outputs.
func (k Key) identityOf(outs []*snapshot.Snapshot) digest.Digest {
	of := Key{Parts: []Part{{Name: "key", Digest: k.Digest()}}}
	for _, s := range outs {
		of.Parts = append(of.Parts, Part{Name: "output", Digest: s.Ref().ID()})
	}
	return of.Digest()
}
