// Package snapshot represents the results of operations. A result consists of a file tree
// and a list of layers. Applied in order to an empty tree, the layers yield the file tree.
// If the result is exported as an image, they become the layers of the image.
//
// The list is a [Chain]: results that have their lowest layers in common share them.
//
// Not here: how trees are stored and compared (solver/tree), and how layers become blobs
// of an image (solver/export).
package snapshot

import (
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/tree"
)

// Snapshot is an output of an operation: a file tree and its layers. It is immutable. A nil
// *Snapshot is an empty tree without layers, and all methods accept it.
type Snapshot struct {
	tree  *tree.Ref // nil for an empty tree
	chain *Chain    // the layers
	id    digest.Digest
}

// Layer represents the changes of one step, as the difference between the two trees
// Lower and Upper. [Merge] can apply the same changes to trees other than Lower.
type Layer struct {
	tree.LayerRef
	// Blob is the layer as stored in the image or cache that it comes from. If a build on
	// this machine produced the layer, Blob is nil.
	Blob *LayerBlob
	// Created is when the step that produced the layer started. It is zero if the layer comes from
	// an image or from the cache, which does not contain this time.
	Created time.Time
}

// LayerBlob is a layer as stored in an image: an archive, usually compressed.
type LayerBlob struct {
	Descriptor ocispecs.Descriptor
	DiffID     digest.Digest // digest of the uncompressed archive
	Created    time.Time     `json:",omitzero"` // zero if the layer comes from an image
}

// StoreBlob returns the digest and size of the archive as a [tree.Blob]. With it, the
// caller can open the archive in a [tree.Store].
func (b LayerBlob) StoreBlob() tree.Blob {
	return tree.Blob{Digest: b.Descriptor.Digest, Size: b.Descriptor.Size}
}

// New returns a snapshot with the tree n. The layers, lowest first, must yield this tree.
// If n is nil, the tree is empty.
func New(n *tree.Node, layers []Layer) *Snapshot {
	if n == nil {
		n = tree.Empty()
	}
	return NewRef(tree.RefTo(n), NewChain(layers))
}

// NewRef returns a snapshot with the layers in c and the tree that r refers to. The tree
// and the layers are loaded on first use.
func NewRef(r *tree.Ref, c *Chain) *Snapshot { return &Snapshot{tree: r, chain: c} }

// Ref returns a reference to the file tree.
func (s *Snapshot) Ref() *tree.Ref {
	if s == nil || s.tree == nil {
		return tree.RefTo(tree.Empty())
	}
	return s.tree
}

// Tree returns the file tree. If it cannot be loaded from the store, the error is a
// [tree.BlobError].
func (s *Snapshot) Tree() (*tree.Node, error) { return s.Ref().Node() }

// ID returns a digest that identifies the result, equal to solver.Result.Key. Results of
// different operations have different IDs, even if their files are equal. If s is nil or
// not the result of a job, ID returns "".
func (s *Snapshot) ID() digest.Digest {
	if s == nil {
		return ""
	}
	return s.id
}

// WithID returns a copy of s whose method ID returns id. If s is nil, it returns nil.
func (s *Snapshot) WithID(id digest.Digest) *Snapshot {
	if s == nil {
		return nil
	}
	return &Snapshot{tree: s.tree, chain: s.chain, id: id}
}

// Chain returns the layers as a chain. Unlike [Snapshot.Layers], it loads none of them.
func (s *Snapshot) Chain() *Chain {
	if s == nil {
		return nil
	}
	return s.chain
}

// Layers returns the layers, lowest first. If they cannot be loaded, the error is a
// [tree.BlobError].
func (s *Snapshot) Layers() ([]Layer, error) { return s.Chain().Layers() }

// With returns a snapshot with the tree n. Its layers are the layers of s and a layer for
// the changes from s to n. The layer is added even if n has no changes, because the history
// of the image has an entry for it.
func (s *Snapshot) With(n *tree.Node) *Snapshot { return s.WithBlob(n, nil) }

// WithNew returns a snapshot as [Snapshot.With] does. The parameter created is when the step that
// makes the changes started.
func (s *Snapshot) WithNew(n *tree.Node, created time.Time) *Snapshot {
	return s.add(n, Layer{Created: created})
}

// WithBlob returns a snapshot with the tree n and one more layer, as [Snapshot.With]
// does. The parameter b describes the added layer as it is stored in an image.
func (s *Snapshot) WithBlob(n *tree.Node, b *LayerBlob) *Snapshot {
	return s.add(n, Layer{Blob: b})
}

// add returns a snapshot with the tree n and the additional layer l, whose trees it sets.
func (s *Snapshot) add(n *tree.Node, l Layer) *Snapshot {
	upper := tree.RefTo(n)
	l.LayerRef = tree.LayerRef{Lower: s.Ref(), Upper: upper}
	return &Snapshot{tree: upper, chain: s.Chain().Add(l)}
}

// MaxLayers is the maximum number of layers of a snapshot. It is larger than the limits of
// overlay file systems and container engines. Without a limit, merges of merges could
// exhaust the memory.
const MaxLayers = 1024

// CheckLayers returns an error if n, a number of layers, is larger than [MaxLayers].
func CheckLayers(n int) error {
	if n > MaxLayers {
		return fmt.Errorf("has more than %d layers", MaxLayers)
	}
	return nil
}

// Merge returns a snapshot with the layers of all given snapshots, applied in order to an
// empty tree. Nil snapshots have no layers.
func Merge(list []*Snapshot) (*Snapshot, error) {
	var chain *Chain
	for _, s := range list {
		if chain == nil {
			chain = s.Chain()
			continue
		}
		layers, err := s.Layers()
		if err != nil {
			return nil, err
		}
		for _, l := range layers {
			chain = chain.Add(l)
		}
	}
	return apply(chain)
}

// apply returns a snapshot with the layers in c and the tree that they yield.
func apply(c *Chain) (*Snapshot, error) {
	r, err := c.apply()
	return &Snapshot{tree: r, chain: c}, err
}

// Diff returns a snapshot that contains only the changes from lower to upper. If the first
// layers of upper are the layers of lower, the result has the other layers of upper. If
// they are not, the result has one layer with all changes.
func Diff(lower, upper *Snapshot) (*Snapshot, error) {
	layers, err := upper.Chain().above(lower.Chain())
	if errors.Is(err, errOther) {
		layers, err = []Layer{{LayerRef: tree.LayerRef{Lower: lower.Ref(), Upper: upper.Ref()}}}, nil
	}
	if err != nil {
		return nil, err
	}
	return apply(NewChain(layers))
}
