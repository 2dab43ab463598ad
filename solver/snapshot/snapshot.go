// Package snapshot has the results of operations: a file tree, and the layers that
// lead from the empty tree to it. An image has a layer for each of them.
//
// Not here: how trees are stored and compared (solver/tree), and how layers become
// the files of an image (solver/export).
package snapshot

import (
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/tree"
)

// Snapshot is what an operation made: a file tree, and how it came about.
// It does not change. The nil snapshot is an empty tree without layers.
type Snapshot struct {
	tree   *tree.Node
	layers []Layer
	id     digest.Digest
}

// Layer is what one step changed: the difference of two trees. On top of other
// trees than Lower it makes the same changes.
type Layer struct {
	tree.Layer
	// Blob is the layer as it came from an image. If this build or an earlier one
	// made it, Blob is nil.
	Blob *LayerBlob
}

// LayerBlob is a layer as an image stores it: a compressed archive.
type LayerBlob struct {
	Descriptor ocispecs.Descriptor
	DiffID     digest.Digest // of the uncompressed layer
	Created    time.Time     `json:",omitzero"` // zero if the layer came from an image
}

// StoreBlob returns the blob under which the store has the archive.
func (b LayerBlob) StoreBlob() tree.Blob {
	return tree.Blob{Digest: b.Descriptor.Digest, Size: b.Descriptor.Size}
}

// New returns a tree with its layers.
func New(n *tree.Node, layers []Layer) *Snapshot { return &Snapshot{tree: n, layers: layers} }

// Tree returns the files.
func (s *Snapshot) Tree() *tree.Node {
	if s == nil || s.tree == nil {
		return tree.Empty()
	}
	return s.tree
}

// ID returns the identity of the result that the snapshot was taken from. Results
// with the same files have different identities if they were made in different ways.
// If s is nil or not the result of an operation, it is "".
func (s *Snapshot) ID() digest.Digest {
	if s == nil {
		return ""
	}
	return s.id
}

// WithID returns the snapshot of a result with that identity. If s is nil, it
// returns nil.
func (s *Snapshot) WithID(id digest.Digest) *Snapshot {
	if s == nil {
		return nil
	}
	return &Snapshot{tree: s.tree, layers: s.layers, id: id}
}

// Layers returns the steps from the empty tree to this one.
func (s *Snapshot) Layers() []Layer {
	if s == nil {
		return nil
	}
	return s.layers
}

// With returns the snapshot with one more layer, whose result is n. A layer that
// changes nothing is added, too: the history of images counts it.
func (s *Snapshot) With(n *tree.Node) *Snapshot { return s.WithBlob(n, nil) }

// WithBlob returns the snapshot with one more layer, as it came from an image.
func (s *Snapshot) WithBlob(n *tree.Node, b *LayerBlob) *Snapshot {
	l := Layer{Layer: tree.Layer{Lower: s.Tree(), Upper: n}, Blob: b}
	return &Snapshot{tree: n, layers: append(slices.Clip(s.Layers()), l)}
}

// MaxLayers is the number of layers that a snapshot may have. Kernels and engines
// take less.
const MaxLayers = 1024

// CheckLayers returns an error if a snapshot must not have n layers.
func CheckLayers(n int) error {
	if n > MaxLayers {
		return fmt.Errorf("has more than %d layers", MaxLayers)
	}
	return nil
}

// Merge returns the layers of all snapshots, those of the first one lowest.
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

// Diff returns what is in upper and not in lower. If upper was made from lower, it
// has the layers that were added to lower. Otherwise it has one layer.
func Diff(lower, upper *Snapshot) *Snapshot {
	below := lower.Layers()
	if all := upper.Layers(); len(all) >= len(below) && slices.EqualFunc(below, all[:len(below)], Layer.same) {
		return Merge([]*Snapshot{{layers: all[len(below):]}})
	}
	step := Layer{Layer: tree.Layer{Lower: lower.Tree(), Upper: upper.Tree()}}
	return Merge([]*Snapshot{{layers: []Layer{step}}})
}

func (l Layer) same(o Layer) bool { return l.Lower.Same(o.Lower) && l.Upper.Same(o.Upper) }
