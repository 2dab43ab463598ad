package solver

import (
	"fmt"

	"github.com/opencontainers/go-digest"

	"slipway/solver/cachemap"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// opEnv is what the operation of a vertex works with.
type opEnv struct {
	*env
	v *Vertex
}

// cacheMap returns the cache map of an operation whose key follows BuildKit's
// rules. Of every input the whole identity counts; the caller refines Deps.
func (e opEnv) cacheMap() (*CacheMap, error) {
	exported, err := cachemap.Of(e.v.Op)
	if err != nil {
		return nil, err
	}
	m := &CacheMap{
		Parts:    []Part{{Name: "operation", Digest: exported.Digest, Input: -1}},
		Deps:     make([]Dep, len(e.v.Inputs)),
		Exported: exported,
	}
	for i := range m.Deps {
		m.Deps[i] = Dep{Name: fmt.Sprintf("input %d", i), Selector: exported.Inputs[i].Selector}
	}
	return m, nil
}

// snapshotAt returns the input with a number of the definition. If the number is
// -1, it returns nil: the empty tree.
func snapshotAt(in []*snapshot.Snapshot, i int64) *snapshot.Snapshot {
	if i < 0 || i >= int64(len(in)) {
		return nil
	}
	return in[i]
}

// contentDigest returns the digest of a node without times. If n is nil, it
// returns "none".
func contentDigest(n *tree.Node) digest.Digest {
	if n == nil {
		return "none"
	}
	return n.Digest()
}
