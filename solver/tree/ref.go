package tree

import (
	"io/fs"
	"os"
	"sync"

	"github.com/opencontainers/go-digest"
)

// Ref refers to a tree by its ID. A tree in a store is loaded on first use, because most
// builds need only the IDs of most trees. Safe for concurrent use.
type Ref struct {
	id     digest.Digest
	loader *Loader // nil if the tree did not come from a store

	mu   sync.Mutex
	node *Node // nil until the tree is loaded
}

// RefTo returns a reference to a tree. n must be a directory.
func RefTo(n *Node) *Ref { return &Ref{id: n.ID(), node: n} }

// Ref returns a reference to a saved tree. If the store does not contain the tree, the
// error is a [BlobError]. Ref does not check whether the store contains the subdirectories.
func (l *Loader) Ref(id digest.Digest) (*Ref, error) {
	if r, ok := l.refs.Load(id); ok {
		return r.(*Ref), nil
	}
	if err := id.Validate(); err != nil {
		return nil, &BlobError{id, err}
	}
	info, err := os.Lstat(l.store.path("dirs", id))
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, &BlobError{id, err}
	}
	r, _ := l.refs.LoadOrStore(id, &Ref{id: id, loader: l})
	return r.(*Ref), nil
}

// ID returns the ID of the tree, see [Node.ID].
func (r *Ref) ID() digest.Digest { return r.id }

// Node returns the tree. If the store lacks a part of the tree, or a part is damaged, the
// error is a [BlobError].
func (r *Ref) Node() (*Node, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.node != nil {
		return r.node, nil
	}
	n, err := r.loader.Load(r.id)
	if err != nil {
		r.loader.refs.Delete(r.id) // the tree may be saved again
		return nil, err
	}
	r.node = n
	return n, nil
}

// LayerRef is a [Layer] whose trees are loaded on first use.
type LayerRef struct{ Lower, Upper *Ref }

// Ref returns a [LayerRef] for the layer.
func (l Layer) Ref() LayerRef { return LayerRef{RefTo(l.Lower), RefTo(l.Upper)} }

// Same reports whether two layers have equal trees.
func (l LayerRef) Same(o LayerRef) bool { return l.Lower.id == o.Lower.id && l.Upper.id == o.Upper.id }

// Load loads both trees of the layer and returns the layer.
func (l LayerRef) Load() (Layer, error) {
	lower, err := l.Lower.Node()
	if err != nil {
		return Layer{}, err
	}
	upper, err := l.Upper.Node()
	return Layer{lower, upper}, err
}

// SaveRef stores the tree that r refers to, as [Store.Save] does. If the tree came from
// a store, SaveRef does nothing.
func (s *Store) SaveRef(r *Ref) error {
	if r.loader != nil {
		return nil
	}
	return s.Save(r.node)
}
