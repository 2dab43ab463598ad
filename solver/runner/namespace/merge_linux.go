package namespace

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"

	"slipway/solver/tree"
)

// maxLowers is the number of layers that are merged into one lower directory of an overlay.
// Because up to 99 layers remain unmerged, a root with at most 1024 layers has at most 109
// lower directories. The kernel allows 500, but each one makes mounting the overlay and
// looking up files slower.
const maxLowers = 100

// merger replaces layers by fewer layers that yield the same tree. Safe for concurrent use.
type merger struct {
	// results caches the results of apply. The key is a hash of the parameters.
	results sync.Map
}

// layers merges layers, which are given in order from the lowest to the highest. Each group of
// maxLowers layers becomes one layer. The remaining layers, fewer than maxLowers, stay
// unmerged, so that merged layers stay the same when a step adds a layer. A merged layer
// contains only the changes that its group makes.
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

// apply returns the tree that results from applying layers in order to the tree that below
// refers to.
//
// Usually, the lower tree of each layer is the upper tree of the previous one. In this case,
// the result is the upper tree of the last layer, and no tree needs to be loaded. Layers of
// merge operations (COPY --link) are an exception.
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
