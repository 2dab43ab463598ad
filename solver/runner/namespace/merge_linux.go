package namespace

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"

	"slipway/solver/tree"
)

// maxLowers is the number of layers that are merged to one lower directory of an overlay.
// A root with at most 1024 layers therefore has at most 109 lower directories. The kernel
// allows 500, but each one makes it slower to mount the overlay and to look up files.
const maxLowers = 100

// merger merges layers to fewer layers that result in the same tree. Safe for concurrent
// use.
type merger struct {
	// results contains the trees that layers yield, by the digest of the layers and of the
	// tree below them. It lacks layers whose upper tree is the lower tree of the next one.
	results sync.Map
}

// layers merges each maxLowers layers in list from the bottom to one layer. The other
// layers, fewer than maxLowers, remain, so that a merged layer does not change when a
// step adds another layer. A merged layer contains only the changes between the trees
// before and after its layers.
func (m *merger) layers(list []tree.LayerRef) ([]tree.LayerRef, error) {
	n := len(list) - len(list)%maxLowers
	if n == 0 {
		return list, nil
	}
	var merged []tree.LayerRef
	below := tree.RefTo(tree.Empty())
	for group := range slices.Chunk(list[:n], maxLowers) {
		result, err := m.apply(below, group)
		if err != nil {
			return nil, err
		}
		merged = append(merged, tree.LayerRef{Lower: below, Upper: result})
		below = result
	}
	return append(merged, list[n:]...), nil
}

// apply returns the tree that layers yield if they are applied to the tree below.
//
// Usually, each layer was made on top of the one before, so that the result is the upper
// tree of the last layer. No tree needs to be loaded then. Layers of merge operations
// (COPY --link) were made on other trees.
func (m *merger) apply(below *tree.Ref, layers []tree.LayerRef) (*tree.Ref, error) {
	onTop := true
	last, hash := below, sha256.New()
	fmt.Fprint(hash, below.ID())
	for _, l := range layers {
		onTop = onTop && l.Lower.ID() == last.ID()
		last = l.Upper
		fmt.Fprint(hash, " ", l.Lower.ID(), " ", l.Upper.ID())
	}
	if onTop {
		return last, nil
	}
	key := [sha256.Size]byte(hash.Sum(nil))
	if r, ok := m.results.Load(key); ok {
		return r.(*tree.Ref), nil
	}
	n, err := below.Node()
	if err != nil {
		return nil, err
	}
	for _, ref := range layers {
		l, err := ref.Load()
		if err != nil {
			return nil, err
		}
		if n, err = tree.Apply(n, l.Lower, l.Upper); err != nil {
			return nil, err
		}
	}
	result := tree.RefTo(n)
	m.results.Store(key, result)
	return result, nil
}
