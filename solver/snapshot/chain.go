package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"slipway/solver/tree"
)

// Chain is an immutable list of layers, stored as the top layer and the chain below it. Adding
// a layer therefore takes constant time, and results of successive steps share their layers. A
// nil *Chain is empty, and all methods accept it. Safe for concurrent use.
type Chain struct {
	id  digest.Digest
	len int

	mu     sync.Mutex
	load   func() (*Chain, error) // nil if the next two fields are set
	below  *Chain
	top    Layer
	result *tree.Ref // the tree that the layers yield; nil until apply computes it
}

// NewChain returns a chain of the given layers, lowest first.
func NewChain(layers []Layer) *Chain {
	var c *Chain
	for _, l := range layers {
		c = c.Add(l)
	}
	return c
}

// LazyChain returns a chain with the given ID and number of layers. When a layer is first
// needed, the chain calls the function load, which must return a chain with the same ID. If
// load fails, the next use of a layer calls it again.
func LazyChain(id digest.Digest, length int, load func() (*Chain, error)) *Chain {
	return &Chain{id: id, len: length, load: load}
}

// Add returns a chain with one more layer on top of the layers of c.
func (c *Chain) Add(l Layer) *Chain {
	of := ChainParts{Below: c.ID(), BelowLen: c.Len(), Lower: l.Lower.ID(), Upper: l.Upper.ID(), Blob: l.Blob}
	return &Chain{id: of.ID(), len: c.Len() + 1, below: c, top: l}
}

// ChainParts contains the properties of a chain from which its ID is computed.
type ChainParts struct {
	Below        digest.Digest // ID of the chain below the top layer
	BelowLen     int           // number of its layers
	Lower, Upper digest.Digest // IDs of the trees of the top layer
	Blob         *LayerBlob    // blob of the top layer
}

// ID returns the ID of a chain with the properties in p.
func (p ChainParts) ID() digest.Digest {
	var blob []byte
	if p.Blob != nil {
		blob, _ = json.Marshal(p.Blob) // fails only for years that image configs cannot contain
	}
	return digest.FromString(fmt.Sprintf("%d %s %s %s %s", p.BelowLen, p.Below, p.Lower, p.Upper, blob))
}

// ID returns a digest that identifies the layers: two chains with equal IDs have the same
// layers with the same blobs. If c is nil, ID returns "".
func (c *Chain) ID() digest.Digest {
	if c == nil {
		return ""
	}
	return c.id
}

// Len returns the number of layers.
func (c *Chain) Len() int {
	if c == nil {
		return 0
	}
	return c.len
}

// Top returns the top layer and the chain below it. c must not be nil. If the layer cannot
// be loaded, the error is a [tree.BlobError].
func (c *Chain) Top() (Layer, *Chain, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.load != nil {
		loaded, err := c.load()
		if err != nil {
			return Layer{}, nil, err
		}
		if c.top, c.below, err = loaded.Top(); err != nil {
			return Layer{}, nil, err
		}
		c.load = nil
	}
	return c.top, c.below, nil
}

// Layers returns the layers, lowest first. If they cannot be loaded, the error is a
// [tree.BlobError].
func (c *Chain) Layers() ([]Layer, error) {
	list := make([]Layer, c.Len())
	for i := range slices.Backward(list) {
		l, below, err := c.Top()
		if err != nil {
			return nil, err
		}
		list[i], c = l, below
	}
	return list, nil
}

// errOther is the error from [Chain.above] if the lower chain is not a part of the upper one.
var errOther = errors.New("the lowest layers differ")

// above returns the layers that c has in addition to lower. The lowest layers of c must be
// equal to the layers of lower, except for their blobs. If they differ, the error is errOther.
func (c *Chain) above(lower *Chain) ([]Layer, error) {
	if c.Len() < lower.Len() {
		return nil, errOther
	}
	var list []Layer
	for c.Len() > lower.Len() {
		l, below, err := c.Top()
		if err != nil {
			return nil, err
		}
		list, c = append(list, l), below
	}
	for c.ID() != lower.ID() {
		a, below, err := c.Top()
		if err != nil {
			return nil, err
		}
		b, belowLower, err := lower.Top()
		if err != nil {
			return nil, err
		}
		if !a.Same(b.LayerRef) {
			return nil, errOther
		}
		c, lower = below, belowLower
	}
	slices.Reverse(list)
	return list, nil
}

// apply returns the tree that results from applying the layers of c in order to an empty tree.
// It stores the tree in c. If each of several merges is based on the result of the previous
// one, each layer is therefore applied only once.
func (c *Chain) apply() (*tree.Ref, error) {
	type step struct {
		chain *Chain
		layer Layer
	}
	var missing []step // chains without a result, highest first
	result := c.applied()
	for result == nil {
		l, below, err := c.Top()
		if err != nil {
			return nil, err
		}
		missing = append(missing, step{c, l})
		c, result = below, below.applied()
	}
	for _, m := range slices.Backward(missing) {
		base, err := result.Node()
		if err != nil {
			return nil, err
		}
		l, err := m.layer.Load()
		if err != nil {
			return nil, err
		}
		n, err := tree.Apply(base, l.Lower, l.Upper)
		if err != nil {
			return nil, err
		}
		result = tree.RefTo(n)
		m.chain.mu.Lock()
		m.chain.result = result
		m.chain.mu.Unlock()
	}
	return result, nil
}

// applied returns the tree that apply has stored in c, or nil.
func (c *Chain) applied() *tree.Ref {
	if c == nil {
		return tree.RefTo(tree.Empty())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.result
}
