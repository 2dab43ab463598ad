package diskcache

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"slipway/solver/tree"
)

// Usage counts the references from cache records to chain files, and to blobs and directories
// of the store. It includes references through chain files and through other directories. From
// these numbers, it computes the sizes of records and finds data to remove. Not safe for
// concurrent use.
type Usage struct {
	cache *Cache
	trees *tree.Loader
	sizes tree.Sizes
	// chains contains the chain files that records refer to, by ID.
	chains map[digest.Digest]*usedChain
	blobs  map[digest.Digest]int  // number of references by digest
	dirs   map[digest.Digest]int  // number of references by ID of the file; see [tree.Group]
	bases  map[digest.Digest]int  // number of records and chain files that refer to a tree below their top layer, by its ID
	files  int64                  // bytes of the record files, and of the chain files that they need
	held   map[digest.Digest]bool // blobs passed to Hold
}

// Usage returns a [Usage] that counts the references from the given records.
func (c *Cache) Usage(ctx context.Context, records []Record) (*Usage, error) {
	u := &Usage{cache: c, trees: c.store.Loader(), chains: map[digest.Digest]*usedChain{}, blobs: map[digest.Digest]int{}, dirs: map[digest.Digest]int{}, bases: map[digest.Digest]int{}, held: map[digest.Digest]bool{}}
	var err error
	if u.sizes, err = c.store.Sizes(ctx); err != nil {
		return nil, err
	}
	for _, r := range records {
		u.files += r.size
		u.addBases(r, 1)
		u.each(r, references{u.add, func(d digest.Digest) { u.blobs[d]++ }, u.addChain})
	}
	return u, ctx.Err()
}

// Hold marks a blob as used by something outside of the cache, such as a stored image. Such a
// blob is live, but does not count in sizes, even if records refer to it. Hold returns the
// size of the blob, or 0 if it was held already. Call Hold before all other methods.
func (u *Usage) Hold(d digest.Digest) int64 {
	n := u.sizes.Blobs[d]
	delete(u.sizes.Blobs, d)
	u.held[d] = true
	return n
}

// InLayers returns the number of bytes of blobs that are in layer directories instead of the
// store's own directory. It includes layers that were removed after Usage was called.
func (u *Usage) InLayers() int64 { return u.sizes.InLayers }

// add counts a reference to the tree n. For the first reference, it also counts the references
// from the tree to other directory files of the store and to blobs.
func (u *Usage) add(n *tree.Node) {
	file := func(id digest.Digest) bool {
		u.dirs[id]++
		return u.dirs[id] == 1
	}
	_ = n.EachStored(file, func(b tree.Blob) { u.blobs[b.Digest]++ }) // ignore directories that no longer exist
}

// Own returns the size of each record in bytes, by its key. Each blob and directory is part of
// the size of the record that added it, but not of records based on that record, so the sum of
// the sizes is the disk usage. If several records added the same data, a source has precedence
// over other results, and then the least recently used record.
func (u *Usage) Own(records []Record) map[string]int64 {
	o := &owners{u: u, sizes: map[string]int64{}, dirs: map[digest.Digest]bool{}, blobs: map[digest.Digest]bool{}}
	records = slices.Clone(records)
	slices.SortFunc(records, func(a, b Record) int {
		return cmp.Or(cmp.Compare(priority(a), priority(b)), a.Used.Compare(b.Used), cmp.Compare(a.Key, b.Key))
	})
	for _, r := range records {
		o.sizes[r.Key] = r.size
		o.assignTop(r)
	}
	// Assign the rest, whose record was removed, to the record with the fewest layers that
	// refers to it.
	slices.SortStableFunc(records, func(a, b Record) int { return cmp.Compare(a.layers(), b.layers()) })
	visited := map[digest.Digest]bool{}
	for _, r := range records {
		to := references{dir: func(n *tree.Node) { o.assignAll(r.Key, n, visited) }, blob: func(d digest.Digest) { o.blob(r.Key, d) }}
		to.chain = func(id digest.Digest) { o.chain(r.Key, id, to, visited) }
		u.each(r, to)
	}
	return o.sizes
}

// priority returns 0 for a source and 1 for the result of another operation. If several
// records added the same data, its size is assigned to the record with the lowest
// priority number.
func priority(r Record) int {
	if r.Kind == KindResult {
		return 1
	}
	return 0
}

// owners assigns each blob and each directory file of the store to one record, and adds the
// size of the blob or file to the size of that record.
type owners struct {
	u           *Usage
	sizes       map[string]int64       // sizes of records by key
	dirs, blobs map[digest.Digest]bool // assigned directories and blobs
}

// dir assigns the directory file with the given ID to the record with the given key. If the
// file is already assigned to a record, dir does nothing.
func (o *owners) dir(key string, id digest.Digest) {
	if !o.dirs[id] {
		o.dirs[id] = true
		o.sizes[key] += o.u.sizes.Dirs[id]
	}
}

// blob assigns the blob d to the record with the given key. If the blob is already assigned to
// a record, blob does nothing.
func (o *owners) blob(key string, d digest.Digest) {
	if !o.blobs[d] {
		o.blobs[d] = true
		o.sizes[key] += o.u.sizes.Blobs[d]
	}
}

// chain assigns the chain file with the given ID to the record with the given key, and calls
// the given callbacks for the references from the file. If visited contains the ID, chain does
// nothing. Otherwise, it adds the ID to visited.
func (o *owners) chain(key string, id digest.Digest, to references, visited map[digest.Digest]bool) {
	if f := o.u.chains[id]; f != nil && !visited[id] {
		visited[id] = true
		o.sizes[key] += f.size
		o.u.eachLayer(f.recordChain, to)
	}
}

// assignTop assigns to the record r the files that its operation added or changed,
// which are the files in the top layer of each output.
func (o *owners) assignTop(r Record) {
	for _, out := range r.record.Outputs {
		top, lower := out.Tree, digest.Digest("")
		if layers := out.layers(); len(layers) > 0 {
			l := layers[len(layers)-1]
			if top, lower = l.Upper, l.Lower; l.Blob != nil {
				o.blob(r.Key, l.Blob.Descriptor.Digest)
			}
		}
		n, err := o.u.trees.Load(top)
		if err != nil {
			continue // the tree no longer exists
		}
		below, _ := o.u.trees.Load(lower) // nil if the tree does not exist
		o.dir(r.Key, top)
		o.assignChanges(r.Key, below, n)
	}
}

// assignChanges assigns the blobs and directory files of the directory n, and of everything
// below it, to the record with the given key. It skips blobs and directory files that are
// unchanged from lower, the directory at the same path in the tree below the layer. The
// parameter lower may be nil.
func (o *owners) assignChanges(key string, lower, n *tree.Node) {
	if lower != nil && lower.Same(n) {
		return
	}
	entries, _ := n.Entries() // ignore directories that no longer exist
	var old []tree.Entry
	below := map[digest.Digest]bool{}
	if lower != nil {
		old, _ = lower.Entries()
		for g := range ids(lower) {
			below[g] = true
		}
	}
	for g := range ids(n) {
		if !below[g] {
			o.dir(key, g)
		}
	}
	for _, p := range tree.Pairs(old, entries) {
		switch {
		case p.Upper == nil:
		case p.Upper.Kind() == tree.Dir:
			o.assignChanges(key, p.Lower, p.Upper)
		case p.Upper.Kind() == tree.File && (p.Lower == nil || p.Lower.Blob() != p.Upper.Blob()):
			o.blob(key, p.Upper.Blob().Digest)
		}
	}
}

// ids iterates over the IDs of the groups into which the store divides the subdirectories of
// n.
func ids(n *tree.Node) iter.Seq[digest.Digest] {
	return func(yield func(digest.Digest) bool) {
		groups, _ := n.Groups() // ignore directories that no longer exist
		for _, g := range groups {
			if !yield(g.ID) {
				return
			}
		}
	}
}

// assignAll assigns the tree n and everything below it to the record with the given key,
// unless it is already assigned to a record. It skips the directory files of the store whose
// IDs are in visited, and adds the IDs of the others to visited.
func (o *owners) assignAll(key string, n *tree.Node, visited map[digest.Digest]bool) {
	file := func(id digest.Digest) bool {
		if visited[id] {
			return false
		}
		visited[id] = true
		o.dir(key, id)
		return true
	}
	_ = n.EachStored(file, func(b tree.Blob) { o.blob(key, b.Digest) }) // ignore directories that no longer exist
}

// layers returns the largest number of layers among the outputs of the record.
func (r Record) layers() (n int) {
	for _, o := range r.record.Outputs {
		n = max(n, o.Below+len(o.Layers))
	}
	return n
}

// Drop removes the references from the record r. It returns the number of bytes that
// deleting r from the cache would free: the size of the record itself and of the data that
// no other record refers to.
func (u *Usage) Drop(r Record) int64 {
	freed := r.size
	blob := func(d digest.Digest) {
		if u.blobs[d]--; u.blobs[d] == 0 {
			freed += u.sizes.Blobs[d]
		}
	}
	file := func(id digest.Digest) bool {
		u.dirs[id]--
		if u.dirs[id] > 0 {
			return false
		}
		freed += u.sizes.Dirs[id]
		return true
	}
	dir := func(n *tree.Node) {
		_ = n.EachStored(file, func(b tree.Blob) { blob(b.Digest) }) // ignore directories that no longer exist
	}
	var chain func(id digest.Digest)
	to := references{dir, blob, func(id digest.Digest) { chain(id) }}
	chain = func(id digest.Digest) {
		f := u.chains[id]
		if f.count--; f.count > 0 {
			return
		}
		freed += f.size
		u.files -= f.size
		count(u.bases, f.bases(), -1)
		u.eachLayer(f.recordChain, to)
	}
	u.each(r, to)
	u.files -= r.size
	u.addBases(r, -1)
	return freed
}

// Live returns the blobs and directories that at least one record refers to, and the blobs
// passed to Hold. [tree.Store.Sweep] may remove all others.
func (u *Usage) Live() (blobs, dirs map[digest.Digest]bool) {
	live := func(refs map[digest.Digest]int) map[digest.Digest]bool {
		m := map[digest.Digest]bool{}
		for d, n := range refs {
			if n > 0 {
				m[d] = true
			}
		}
		return m
	}
	blobs, dirs = live(u.blobs), live(u.dirs)
	maps.Copy(blobs, u.held)
	return blobs, dirs
}

// Bytes returns used, the size of the records and of everything that they refer to, and
// unused, the size of the data in the store that no record refers to. Neither includes
// held blobs.
func (u *Usage) Bytes() (used, unused int64) {
	used = u.files
	add := func(sizes map[digest.Digest]int64, refs map[digest.Digest]int) {
		for d, size := range sizes {
			if refs[d] > 0 {
				used += size
			} else {
				unused += size
			}
		}
	}
	add(u.sizes.Blobs, u.blobs)
	add(u.sizes.Dirs, u.dirs)
	return used, unused
}
