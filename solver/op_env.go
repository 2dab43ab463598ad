package solver

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"

	"slipway/solver/cachemap"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// opEnv holds the shared state of a job and the vertex that an operation belongs to.
// Every implementation of [Op] embeds it.
type opEnv struct {
	*env
	v *Vertex
}

// cacheMap returns the cache map of the vertex. Some operations read only a part of an
// input, so the other files of the input cannot affect the outputs. For such an input, the
// cache key covers just the files that the operation reads. The function content returns
// the parts of the key for these files. For all other inputs, or if content is nil, the key
// covers the cache key of the input.
func (e opEnv) cacheMap(content func(input int, in *snapshot.Snapshot) ([]Part, error)) (*CacheMap, error) {
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
		if content != nil && exported.Inputs[i].ContentSuffices() {
			m.Deps[i].Content = func(_ context.Context, in *snapshot.Snapshot) ([]Part, error) { return content(i, in) }
		}
	}
	for _, c := range exported.Copies {
		m.Parts = append(m.Parts, Part{Name: fmt.Sprintf("source of copy %d", c.Action), Digest: digest.FromString(c.Source), Input: -1})
		m.Exported.Digest = ""
	}
	return m, nil
}

// snapshotAt returns the snapshot of the input with index i. If i is out of range, it
// returns nil, which represents the empty file tree: LLB uses the index -1 for an empty
// tree.
func snapshotAt(in []*snapshot.Snapshot, i int64) *snapshot.Snapshot {
	if i < 0 || i >= int64(len(in)) {
		return nil
	}
	return in[i]
}

// contentDigest returns a digest of the file or directory at a path of a tree. The digest
// covers everything but times and hard links. If the path does not exist, contentDigest
// returns [noContent].
func contentDigest(root *tree.Node, at string) (digest.Digest, error) {
	n, err := root.Get(at)
	if n == nil {
		return noContent, err
	}
	return n.Digest(), nil
}

// noContent is the content digest of a path that does not exist.
const noContent = "none"
