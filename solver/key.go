package solver

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
)

// Key says what a result depends on. Equal keys mean equal results.
type Key struct{ Parts []Part }

// Part is one thing that a result depends on.
type Part struct {
	Name   string // "operation", "mount /", "files of copy 0"
	Digest digest.Digest

	// What follows says where the part is from, and is not part of the key.
	Input int           // of the operation; -1 is none
	Tree  digest.Digest // id of the tree that files were selected from; "" is none
	From  int           // the action or the mount that selected them
}

// Digest returns the digest of all parts.
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

func (k *Key) add(name string, d digest.Digest) {
	k.Parts = append(k.Parts, Part{Name: name, Digest: d, Input: -1})
}

// operationDigest is the digest of what an operation does, without its inputs,
// which have keys of their own, and without what does not change its result.
func operationDigest(op *pb.Op) (digest.Digest, error) {
	op = op.CloneVT()
	op.Constraints = nil
	for _, in := range op.Inputs {
		in.Digest = ""
	}
	switch o := op.Op.(type) {
	case *pb.Op_Exec:
		forgetDetails(o.Exec)
	case *pb.Op_File:
		op.Platform = nil
	}
	data, err := op.MarshalVT()
	return digest.FromBytes(data), err
}

// forgetDetails takes out of a process what only says how it gets its result:
// proxies, addresses of hosts, and where caches are kept.
func forgetDetails(op *pb.ExecOp) {
	op.Meta.ProxyEnv = nil
	for _, h := range op.Meta.ExtraHosts {
		h.IP = ""
	}
	for _, m := range op.Mounts {
		m.Selector = "" // the key has what it selects
		if m.CacheOpt != nil && !plainCache(m) {
			m.CacheOpt.ID, m.CacheOpt.Sharing = "", pb.CacheSharingOpt_SHARED
		}
	}
}

// plainCache tells the ids that Dockerfiles give to caches by default: target,
// or namespace/target. BuildKit keeps these in its keys.
func plainCache(m *pb.Mount) bool {
	if m.CacheOpt.Sharing != pb.CacheSharingOpt_SHARED {
		return false
	}
	_, rest, ok := strings.Cut(m.CacheOpt.ID, "/")
	return m.CacheOpt.ID == m.Dest || ok && rest == m.Dest
}
