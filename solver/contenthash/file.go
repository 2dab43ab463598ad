package contenthash

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"

	"slipway/solver/tree"
)

// These are the type flags of entries in tar archives.
const (
	flagFile    = "0"
	flagSymlink = "2"
	flagChar    = "3"
	flagBlock   = "4"
	flagDir     = "5"
	flagFifo    = "6"
)

// fileKey is the key under which a [Hasher] caches the digest of a single node. It contains
// everything that this digest depends on.
type fileKey struct {
	kind     tree.Kind
	mode     uint32
	uid, gid uint32
	text     string // digest of a file, or target of a symbolic link
	xattrs   string
}

// keyOf returns the key under which a [Hasher] caches the digest of the node n. For a
// directory, the key covers only its metadata, not its entries.
func keyOf(n *tree.Node) fileKey {
	m := n.Meta()
	k := fileKey{kind: n.Kind(), mode: m.Mode, uid: m.UID, gid: m.GID, text: n.Target()}
	if n.Kind() == tree.File {
		k.text = string(n.Blob().Digest)
	}
	var b strings.Builder
	for _, x := range m.Xattrs {
		fmt.Fprintf(&b, "%q %q ", x.Name, x.Value)
	}
	k.xattrs = b.String()
	return k
}

// node returns the digest of the node n. For a directory, the digest covers only its
// metadata, not its entries.
func (h *Hasher) node(ctx context.Context, n *tree.Node) (digest.Digest, error) {
	key := keyOf(n)
	h.mu.Lock()
	d, ok := h.files[key]
	h.mu.Unlock()
	if ok {
		return d, nil
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	sum := sha256.New()
	writeHeader(sum, n)
	if n.Kind() == tree.File && n.Blob().Size > 0 {
		f, err := h.store.OpenContext(ctx, n.Blob())
		if err != nil {
			return "", err
		}
		_, err = io.Copy(sum, tree.Reader(ctx, f))
		if err = errors.Join(err, f.Close()); err != nil {
			return "", err
		}
	}
	d = digest.NewDigest(digest.SHA256, sum)
	h.mu.Lock()
	h.files[key] = d
	h.mu.Unlock()
	return d, nil
}

// writeHeader writes the metadata of a node in the form that digests cover: the fields of
// its tar header except for name and time, each after its field name. Docker's first
// builder defined this format, "tarsum.v1".
func writeHeader(w hash.Hash, n *tree.Node) {
	m := n.Meta()
	mode, flag, size := m.Mode, flagFile, int64(0)
	switch n.Kind() {
	case tree.Dir:
		flag = flagDir
	case tree.File:
		size = n.Blob().Size
	case tree.Symlink:
		flag, mode = flagSymlink, 0o777
	case tree.CharDevice:
		flag = flagChar
	case tree.BlockDevice:
		flag = flagBlock
	case tree.Fifo:
		flag = flagFifo
	}
	// Upstream: device numbers are always 0. A check that should exclude symbolic links
	// also excludes devices.
	fmt.Fprintf(w, "namemode%duid%dgid%dsize%dtypeflag%slinkname%sunamegnamedevmajor0devminor0",
		mode, m.UID, m.GID, size, flag, n.Target())
	for _, x := range m.Xattrs {
		if x.Name == tree.Capability || !strings.HasPrefix(x.Name, "security.") && !strings.HasPrefix(x.Name, "system.") {
			io.WriteString(w, x.Name+x.Value)
		}
	}
}
