package diskcache

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// groupLen is the number of layers in a chain file. A smaller number makes records smaller, a
// larger number makes fewer files. Results with at most groupLen layers have no chain file.
// The results of 500 successive steps have 31 chain files, and their records contain 4,210
// layers in total. If each record contained all its layers, the total would be 125,250.
const groupLen = 16

// recordChain is the encoding of a [snapshot.Chain] in a record. Starting at the bottom of the
// chain, each groupLen layers are stored in a chain file, which is shared by all chains with
// the same lowest layers. The remaining layers, at least one, are stored in the record.
//
// A chain file contains a recordChain as JSON. The name of the file is the ID of the chain,
// which covers all of the content.
type recordChain struct {
	Base   digest.Digest `json:",omitempty"` // ID of the chain below Layers, which has a chain file; "" for an empty chain
	Below  int           `json:",omitempty"` // number of layers of the chain Base
	Layers []recordLayer `json:",omitempty"`
}

// recordLayer describes one layer of a [recordChain] by the IDs of its trees. See
// [snapshot.Layer].
type recordLayer struct {
	Lower digest.Digest `json:",omitempty"` // if "", the field Upper of the preceding layer
	Upper digest.Digest
	Blob  *snapshot.LayerBlob `json:",omitempty"`
}

// add adds l on top of the other layers of the chain.
func (r *recordChain) add(l snapshot.Layer) {
	add := recordLayer{Lower: l.Lower.ID(), Upper: l.Upper.ID(), Blob: l.Blob}
	if n := len(r.Layers); n > 0 && r.Layers[n-1].Upper == add.Lower {
		add.Lower = ""
	}
	r.Layers = append(r.Layers, add)
}

// layers returns a copy of r.Layers in which the field Lower of every layer is set.
func (r recordChain) layers() []recordLayer {
	list := slices.Clone(r.Layers)
	for i := range list {
		if list[i].Lower == "" && i > 0 {
			list[i].Lower = list[i-1].Upper
		}
	}
	return list
}

// chainsDir returns the path of the directory that contains the chain files.
func (c *Cache) chainsDir() string { return filepath.Join(c.dir, "chains") }

// chainFile returns the path of the chain file for the chain with the given ID.
func (c *Cache) chainFile(id digest.Digest) string { return filepath.Join(c.chainsDir(), id.Encoded()) }

// id returns the ID of the chain, a digest that covers all of its layers.
func (r recordChain) id() digest.Digest {
	id := r.Base
	for i, l := range r.layers() {
		id = snapshot.ChainParts{Below: id, BelowLen: r.Below + i, Lower: l.Lower, Upper: l.Upper, Blob: l.Blob}.ID()
	}
	return id
}

// readChain reads the chain file for the given ID. It returns the content and the size of the
// file, or an error if the content does not match the ID.
func (c *Cache) readChain(id digest.Digest) (r recordChain, size int64, err error) {
	if err := id.Validate(); err != nil {
		return r, 0, err
	}
	data, err := readRegular(c.chainFile(id))
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err == nil && r.id() != id {
		err = fmt.Errorf("its layers have the digest %s", r.id())
	}
	if err != nil {
		return recordChain{}, int64(len(data)), err
	}
	return r, int64(len(data)), nil
}

// saveChain stores the trees of the layers in chain, and encodes the chain for a record. It
// also writes the chain files that the result refers to.
func (c *Cache) saveChain(chain *snapshot.Chain) (r recordChain, err error) {
	var group []snapshot.Layer // highest first
	for chain.Len() > 0 && (len(group) == 0 || chain.Len()%groupLen != 0) {
		l, below, err := chain.Top()
		if err = cmp.Or(err, c.store.SaveRef(l.Lower), c.store.SaveRef(l.Upper)); err != nil {
			return r, err
		}
		group, chain = append(group, l), below
	}
	for _, l := range slices.Backward(group) {
		r.add(l)
	}
	if chain.Len() == 0 {
		return r, nil
	}
	r.Base, r.Below = chain.ID(), chain.Len()
	file := c.chainFile(r.Base)
	if info, err := os.Lstat(file); err == nil && info.Mode().IsRegular() {
		return r, nil // chain files below exist, too, because they are written first
	}
	base, err := c.saveChain(chain)
	if err != nil {
		return r, err
	}
	data, err := json.Marshal(base)
	if err != nil {
		return r, err
	}
	return r, c.write(file, data)
}

// loader loads chains and trees that records refer to. It loads each of them only once. Safe
// for concurrent use.
type loader struct {
	cache  *Cache
	trees  *tree.Loader
	chains sync.Map // chains that have a chain file, by ID
}

// newLoader returns a loader for the chains and trees in the cache.
func (c *Cache) newLoader() *loader { return &loader{cache: c, trees: c.store.Loader()} }

// chain decodes the chain r. It does not load the layers of r.Base. It returns an error if the
// chain file for r.Base or a tree of a layer in r.Layers does not exist.
func (x *loader) chain(r recordChain) (*snapshot.Chain, error) {
	chain, err := x.base(r)
	if err != nil {
		return nil, err
	}
	for _, l := range r.layers() {
		layer := snapshot.Layer{Blob: l.Blob}
		if layer.Lower, err = x.trees.Ref(l.Lower); err == nil {
			layer.Upper, err = x.trees.Ref(l.Upper)
		}
		if err != nil {
			return nil, err
		}
		chain = chain.Add(layer)
	}
	return chain, nil
}

// base returns the chain r.Base, whose layers are loaded on first use.
func (x *loader) base(r recordChain) (*snapshot.Chain, error) {
	id := r.Base
	if id == "" {
		return nil, nil
	}
	if c, ok := x.chains.Load(id); ok {
		return c.(*snapshot.Chain), nil
	}
	if err := id.Validate(); err != nil {
		return nil, &tree.BlobError{Digest: id, Err: err}
	}
	if info, err := os.Lstat(x.cache.chainFile(id)); err != nil || !info.Mode().IsRegular() {
		return nil, &tree.BlobError{Digest: id, Err: cmp.Or(err, fs.ErrNotExist)}
	}
	c, _ := x.chains.LoadOrStore(id, snapshot.LazyChain(id, r.Below, func() (*snapshot.Chain, error) {
		c, err := x.load(id)
		if err != nil {
			x.chains.Delete(id) // the chain may be saved again
			return nil, &tree.BlobError{Digest: id, Err: err}
		}
		return c, nil
	}))
	return c.(*snapshot.Chain), nil
}

// load reads the chain with the given ID from its chain file. If the file is damaged, load
// removes it and returns an error.
func (x *loader) load(id digest.Digest) (*snapshot.Chain, error) {
	r, _, err := x.cache.readChain(id)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(x.cache.chainFile(id)))
	}
	return x.chain(r)
}
