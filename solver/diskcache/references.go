package diskcache

import (
	"github.com/opencontainers/go-digest"

	"slipway/solver/tree"
)

// references contains callbacks for the trees, blobs and chain files to which a record or a
// chain file refers.
type references struct {
	dir   func(*tree.Node)    // is called for each tree that exists
	blob  func(digest.Digest) // is called for the digest of each layer blob
	chain func(digest.Digest) // is called for the ID of each chain file
}

// each calls the given callbacks for each reference from the record r. It does not follow
// references from chain files.
func (u *Usage) each(r Record, to references) {
	for _, o := range r.record.Outputs {
		u.tree(o.Tree, to)
		u.eachLayer(o.recordChain, to)
	}
}

// eachLayer calls the given callbacks for each reference from the layers in r.Layers. If the
// chain r has further layers in a chain file, eachLayer also calls the callback for chain
// files.
func (u *Usage) eachLayer(r recordChain, to references) {
	for _, l := range r.layers() {
		u.tree(l.Lower, to)
		u.tree(l.Upper, to)
		if l.Blob != nil {
			to.blob(l.Blob.Descriptor.Digest)
		}
	}
	if r.Base != "" {
		to.chain(r.Base)
	}
}

// tree calls the callback for trees with the tree that has the given ID. If the store no
// longer contains the tree, it does nothing.
func (u *Usage) tree(id digest.Digest, to references) {
	if n, err := u.trees.Load(id); err == nil {
		to.dir(n)
	}
}

// usedChain is a chain file to which at least one record refers, directly or through another
// chain file.
type usedChain struct {
	recordChain       // no layers if the file does not exist or is damaged
	size        int64 // bytes of the file
	count       int   // number of references
}

// addChain counts a reference to the chain file with the given ID. For the first reference, it
// also counts the references from the chain file to trees, blobs and other chain files.
func (u *Usage) addChain(id digest.Digest) {
	f := u.chains[id]
	if f == nil {
		f = &usedChain{}
		f.recordChain, f.size, _ = u.cache.readChain(id) // without a valid file, the records with this chain are lost
		u.chains[id] = f
	}
	if f.count++; f.count > 1 {
		return
	}
	u.files += f.size
	count(u.bases, f.bases(), 1)
	u.eachLayer(f.recordChain, references{u.add, func(d digest.Digest) { u.blobs[d]++ }, u.addChain})
}

// Shared reports whether the results of other records are based on the result of r.
func (u *Usage) Shared(r Record) bool {
	own := map[digest.Digest]int{}
	for _, o := range r.record.Outputs {
		count(own, o.below(), 1)
		// Chain files with one reference belong to r only, and so do their bases.
		for f := u.chains[o.Base]; f != nil && f.count == 1; f = u.chains[f.Base] {
			count(own, f.bases(), 1)
		}
	}
	for _, o := range r.record.Outputs {
		if u.bases[o.Tree] > own[o.Tree] {
			return true
		}
	}
	return false
}

// addBases adds n to the count of each tree on which an output of the record r is based. It
// does not count the trees of the outputs themselves.
func (u *Usage) addBases(r Record, n int) {
	for _, o := range r.record.Outputs {
		count(u.bases, o.below(), n)
	}
}

// below returns the IDs of the trees before and after each layer in the record, except for the
// tree after the top layer.
func (o recordOutput) below() []digest.Digest {
	list := o.bases()
	return list[:max(0, len(list)-1)]
}

// bases returns the IDs of the trees before and after each layer in r.Layers.
func (r recordChain) bases() []digest.Digest {
	var list []digest.Digest
	for _, l := range r.layers() {
		list = append(list, l.Lower, l.Upper)
	}
	return list
}

// count adds n to the number of each given ID.
func count(numbers map[digest.Digest]int, list []digest.Digest, n int) {
	for _, id := range list {
		numbers[id] += n
	}
}
