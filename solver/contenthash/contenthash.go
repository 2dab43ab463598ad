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

// Selector selects files of a tree: everything at and below a path, or only the files at or
// below the path that match patterns.
type Selector struct {
	Path             string
	Wildcard         bool     // whether Path is a pattern such as /a/*
	FollowLinks      bool     // whether a symbolic link at the end of Path is followed
	Include, Exclude []string // patterns as in .dockerignore, relative to the path that matches
	Required         []string // paths that must be selected; see [Missing]
}

// filters reports whether the selector has patterns.
func (s Selector) filters() bool { return s.Wildcard || len(s.Include) > 0 || len(s.Exclude) > 0 }

// Tree is a file tree whose content a [Hasher] digests.
type Tree struct {
	Root *tree.Node // nil is a tree without any file, even without a root directory
	// Local is true if the tree is a local directory of the client. BuildKit does not
	// receive the metadata of its root, so the digest does not cover it.
	Local bool
}

// Hasher computes content digests. It computes the digest of each file and directory only
// once. Safe for concurrent use.
type Hasher struct {
	store *tree.Store

	mu    sync.Mutex
	files map[fileKey]digest.Digest
	dirs  map[digest.Digest]digest.Digest // by [tree.Node.Digest]
}

// New returns a hasher for trees whose file contents are in the given store.
func New(store *tree.Store) *Hasher {
	return &Hasher{store: store, files: map[fileKey]digest.Digest{}, dirs: map[digest.Digest]digest.Digest{}}
}

// empty is the digest of empty content. As in BuildKit, it is the digest of a selection
// without files.
var empty = digest.FromBytes(nil)

// Sum returns the digest of the files in t that the selectors select. If selectors is
// empty, it covers all files. If a path of a selector does not exist, it returns an error.
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

// selected returns the content digest of the files that one selector selects in t.
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

// notFound returns the error for a path that does not exist, worded as in BuildKit.
func notFound(name string) error {
	return &fs.PathError{Op: "checksum", Path: name, Err: errNotFound}
}

var errNotFound = errors.New("not found")

// at returns the digest of one file or directory of the tree t. The parameter name is its
// path. If this path ends in a symbolic link, follow decides whether the result is the digest
// of the target or of the link.
func (h *Hasher) at(ctx context.Context, t Tree, name string, follow bool) (digest.Digest, error) {
	p, err := t.Root.Resolve(name, follow)
	if err != nil {
		return "", err
	}
	n, err := t.Root.Get(p)
	if err != nil {
		return "", err
	}
	if n == nil {
		return "", notFound(name)
	}
	if n == t.Root {
		return h.dir(ctx, n, t.Local)
	}
	return h.recursive(ctx, n)
}

// recursive returns the digest of the node n and, if n is a directory, of everything below it.
func (h *Hasher) recursive(ctx context.Context, n *tree.Node) (digest.Digest, error) {
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

// dir returns the digest of a directory and everything below it. It covers the metadata of the
// directory, and the name and digest of each entry. If local is true, n is the root of a local
// directory, whose metadata is not covered.
func (h *Hasher) dir(ctx context.Context, n *tree.Node, local bool) (digest.Digest, error) {
	own, err := h.header(ctx, n, local)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	row(sum, "/", own)
	entries, err := n.Entries()
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		d, err := h.recursive(ctx, e.Node)
		if err != nil {
			return "", err
		}
		row(sum, "/"+e.Name, d)
	}
	return digest.NewDigest(digest.SHA256, sum), nil
}

// header returns the digest of a file, or of the metadata of a directory. If localRoot is
// true, n is the root of a local directory. Digests do not cover the metadata of this root, so
// header returns the digest of empty content.
func (h *Hasher) header(ctx context.Context, n *tree.Node, localRoot bool) (digest.Digest, error) {
	if localRoot {
		return empty, nil
	}
	return h.node(ctx, n)
}

// row writes the path and the digest of a file to w, as one part of the data that the
// digest of a directory or a selection covers. As in BuildKit, it replaces slashes in the
// path by NUL bytes.
func row(w hash.Hash, name string, d digest.Digest) {
	fmt.Fprint(w, strings.ReplaceAll(name, "/", "\x00"), string(d))
}
