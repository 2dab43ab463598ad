// Package snapshot represents the results of operations: a file tree, and the layers that
// produce it from the empty tree. An image has one layer for each of them.
//
// Not here: how trees are stored and compared (solver/tree), and how layers become blobs
// of an image (solver/export).
package snapshot

import (
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/tree"
)

// Snapshot is a result of an operation: a file tree and its layers. It is immutable. A
// nil Snapshot is an empty tree without layers.
type Snapshot struct {
	tree   *tree.Node
	layers []Layer
	id     digest.Digest
}

// Layer represents the changes of one step: the difference of two trees. Applied to a
// tree other than Lower, it makes the same changes.
type Layer struct {
	tree.Layer
	// Blob is the blob of the layer in the image that it comes from. If this build or an
	// earlier one made the layer, Blob is nil.
	Blob *LayerBlob
}

// LayerBlob is a layer as an image stores it: a compressed archive.
type LayerBlob struct {
	Descriptor ocispecs.Descriptor
	DiffID     digest.Digest // of the uncompressed layer
	Created    time.Time     `json:",omitzero"` // zero if the layer came from an image
}

// StoreBlob returns the blob of the store that contains the archive.
func (b LayerBlob) StoreBlob() tree.Blob {
	return tree.Blob{Digest: b.Descriptor.Digest, Size: b.Descriptor.Size}
}

// New returns a snapshot of a tree with its layers.
func New(n *tree.Node, layers []Layer) *Snapshot { return &Snapshot{tree: n, layers: layers} }

// Tree returns the file tree.
func (s *Snapshot) Tree() *tree.Node {
	if s == nil || s.tree == nil {
		return tree.Empty()
	}
	return s.tree
}

// ID returns the identity of the result that the snapshot belongs to. Results with the
// same files have different identities if they were made in different ways. If s is nil
// or not the result of an operation, ID returns "".
func (s *Snapshot) ID() digest.Digest {
	if s == nil {
		return ""
	}
	return s.id
}

// WithID returns a copy of s with this identity. If s is nil, it returns nil.
func (s *Snapshot) WithID(id digest.Digest) *Snapshot {
	if s == nil {
		return nil
	}
	return &Snapshot{tree: s.tree, layers: s.layers, id: id}
}

// Layers returns the layers, lowest first.
func (s *Snapshot) Layers() []Layer {
	if s == nil {
		return nil
	}
	return s.layers
}

// With returns a snapshot of n with the layers of s and one more. The layer is added even
// if it changes nothing, because the history of images counts it.
func (s *Snapshot) With(n *tree.Node) *Snapshot { return s.WithBlob(n, nil) }

// WithBlob is like With for a layer that an image contains.
func (s *Snapshot) WithBlob(n *tree.Node, b *LayerBlob) *Snapshot {
	l := Layer{Layer: tree.Layer{Lower: s.Tree(), Upper: n}, Blob: b}
	return &Snapshot{tree: n, layers: append(slices.Clip(s.Layers()), l)}
}

// MaxLayers is the maximum number of layers of a snapshot. Kernels and engines support
// fewer.
const MaxLayers = 1024

// CheckLayers returns an error if n is more than [MaxLayers].
func CheckLayers(n int) error {
	if n > MaxLayers {
		return fmt.Errorf("has more than %d layers", MaxLayers)
	}
	return nil
}

// Merge returns a snapshot with the layers of all snapshots, the first one lowest.
func Merge(list []*Snapshot) *Snapshot {
	out := &Snapshot{tree: tree.Empty()}
	for _, s := range list {
		for _, l := range s.Layers() {
			out.tree = tree.Apply(out.tree, l.Lower, l.Upper)
			out.layers = append(out.layers, l)
		}
	}
	return out
}

// Diff returns the changes between lower and upper. If upper was made from lower, the
// result has the layers that upper adds. Otherwise it has one layer.
func Diff(lower, upper *Snapshot) *Snapshot {
	below := lower.Layers()
	if all := upper.Layers(); len(all) >= len(below) && slices.EqualFunc(below, all[:len(below)], Layer.same) {
		return Merge([]*Snapshot{{layers: all[len(below):]}})
	}
	step := Layer{Layer: tree.Layer{Lower: lower.Tree(), Upper: upper.Tree()}}
	return Merge([]*Snapshot{{layers: []Layer{step}}})
}

func (l Layer) same(o Layer) bool { return l.Lower.Same(o.Lower) && l.Upper.Same(o.Upper) }
