package solver

import (
	"crypto/sha256"
	"encoding/binary"

	"slipway/solver/snapshot"

	"github.com/opencontainers/go-digest"
)

// Key covers everything that the outputs of an operation depend on. Operations with equal
// keys have equal outputs.
type Key struct{ Parts []Part }

// Part is one dependency of a key.
type Part struct {
	Name   string // such as "operation", "mount /", "files of copy 0"
	Digest digest.Digest

	// The other fields record the origin of the part. They do not affect the digest of
	// the key.
	Input int           // index of the input of the operation; -1 if the part has no input
	Tree  digest.Digest // id of the tree that files were selected from, or ""
	From  int           // index of the action or mount that selected them
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

// identityOf returns the identity of outputs that were made although the cache may
// contain other outputs for the key. It covers their trees.
func (k Key) identityOf(outs []*snapshot.Snapshot) digest.Digest {
	of := Key{Parts: []Part{{Name: "key", Digest: k.Digest()}}}
	for _, s := range outs {
		of.Parts = append(of.Parts, Part{Name: "output", Digest: s.Tree().ID()})
	}
	return of.Digest()
}
