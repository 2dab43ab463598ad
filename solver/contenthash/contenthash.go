package contenthash

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"slipway/solver/tree"
)

// Selector selects files of a tree.
type Selector struct {
	Path             string
	Wildcard         bool // Path is a pattern
	FollowLinks      bool // a link at the end of Path is followed
	Include, Exclude []string
	Required         []string // prefixes of paths that must be selected
}

func (s Selector) filters() bool { return s.Wildcard || len(s.Include) > 0 || len(s.Exclude) > 0 }

// Tree is a file tree whose content a [Hasher] digests.
type Tree struct {
	Root *tree.Node // if it is nil, the tree has no files and not even a root directory
	// Local reports whether the tree is a local directory. BuildKit does not know the
	// metadata of its root, so the digest does not cover it.
	Local bool
}

// Hasher computes content digests, and caches those of files and directories. Safe for
// concurrent use.
type Hasher struct {
	store *tree.Store

	mu    sync.Mutex
	files map[fileKey]digest.Digest
	dirs  map[digest.Digest]digest.Digest // by the digest of the node
}

// New returns a hasher for trees whose files are in store.
func New(store *tree.Store) *Hasher {
	return &Hasher{store: store, files: map[fileKey]digest.Digest{}, dirs: map[digest.Digest]digest.Digest{}}
}

// empty is the digest of an empty byte sequence.
var empty = digest.FromBytes(nil)

// Sum returns the digest of the files that the selectors select. Without selectors, it
// covers all files.
func (h *Hasher) Sum(ctx context.Context, t Tree, selectors []Selector) (digest.Digest, error) {
	if len(selectors) == 0 {
		selectors = []Selector{{}}
	}
	list := make([]string, len(selectors))
	for i, s := range selectors {
		d, err := h.selected(ctx, t, s)
		if err != nil {
			return "", err
		}
		list[i] = string(d)
	}
	return digest.FromString(strings.Join(list, "\x00")), nil
}

func (h *Hasher) selected(ctx context.Context, t Tree, s Selector) (digest.Digest, error) {
	s.Path = path.Join("/", s.Path)
	switch {
	case t.Root == nil && s.Path == "/":
		return empty, nil
	case t.Root == nil:
		return "", notFound(s.Path)
	case s.filters():
		return h.filtered(ctx, t, s)
	}
	return h.at(ctx, t, s.Path, s.FollowLinks)
}

func notFound(name string) error {
	return &fs.PathError{Op: "checksum", Path: name, Err: errNotFound}
}

var errNotFound = errors.New("not found")

// at returns the digest of the file or directory at a path.
func (h *Hasher) at(ctx context.Context, t Tree, name string, follow bool) (digest.Digest, error) {
	p, err := t.Root.Resolve(name, follow)
	if err != nil {
		return "", err
	}
	n := t.Root.Get(p)
	if n == nil {
		return "", notFound(name)
	}
	if n == t.Root {
		return h.dir(ctx, n, t.Local)
	}
	return h.whole(ctx, n)
}

// whole returns the digest of a node, including everything below it.
func (h *Hasher) whole(ctx context.Context, n *tree.Node) (digest.Digest, error) {
	if n.Kind() != tree.Dir {
		return h.node(ctx, n)
	}
	h.mu.Lock()
	d, ok := h.dirs[n.Digest()]
	h.mu.Unlock()
	if ok {
		return d, nil
	}
	d, err := h.dir(ctx, n, false)
	if err != nil {
		return "", err
	}
	h.mu.Lock()
	h.dirs[n.Digest()] = d
	h.mu.Unlock()
	return d, nil
}

// dir computes the digest of a directory: a row for itself and for each entry.
func (h *Hasher) dir(ctx context.Context, n *tree.Node, local bool) (digest.Digest, error) {
	own, err := h.header(ctx, n, local)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	row(sum, "/", own)
	for _, e := range n.Entries() {
		d, err := h.whole(ctx, e.Node)
		if err != nil {
			return "", err
		}
		row(sum, "/"+e.Name, d)
	}
	return digest.NewDigest(digest.SHA256, sum), nil
}

// header returns the digest of the metadata of a directory.
func (h *Hasher) header(ctx context.Context, n *tree.Node, localRoot bool) (digest.Digest, error) {
	if localRoot {
		return empty, nil
	}
	return h.node(ctx, n)
}

// row writes a path, with NUL bytes as separators, and a digest.
func row(w hash.Hash, name string, d digest.Digest) {
	fmt.Fprint(w, strings.ReplaceAll(name, "/", "\x00"), string(d))
}
