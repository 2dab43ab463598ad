package diskcache

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"slipway/solver/tree"
)

// Usage counts how often cache records refer to each blob and directory of the store,
// directly or through other directories. From these numbers, it computes the sizes of
// records and finds data to remove. Not safe for concurrent use.
type Usage struct {
	trees *tree.Loader
	sizes tree.Sizes
	blobs map[digest.Digest]int  // number of references by digest
	dirs  map[digest.Digest]int  // number of references by ID
	bases map[digest.Digest]int  // number of results that are based on a tree, by its ID
	files int64                  // bytes of the record files
	held  map[digest.Digest]bool // blobs passed to Hold
}

// Usage returns a [Usage] that counts the references from the given records.
func (c *Cache) Usage(ctx context.Context, records []Record) (*Usage, error) {
	u := &Usage{trees: c.store.Loader(), blobs: map[digest.Digest]int{}, dirs: map[digest.Digest]int{}, bases: map[digest.Digest]int{}, held: map[digest.Digest]bool{}}
	var err error
	if u.sizes, err = c.store.Sizes(ctx); err != nil {
		return nil, err
	}
	for _, r := range records {
		u.files += r.size
		for d, n := range r.bases() {
			u.bases[d] += n
		}
		u.each(r, u.addDir, func(d digest.Digest) { u.blobs[d]++ })
	}
	return u, ctx.Err()
}

// Hold marks a blob as used by something outside of the cache, such as a stored image. The
// blob is then live, but does not count in sizes, even if records refer to it. Hold returns
// the size of the blob, or 0 if it was held already. Call Hold before all other methods.
func (u *Usage) Hold(d digest.Digest) int64 {
	n := u.sizes.Blobs[d]
	delete(u.sizes.Blobs, d)
	u.held[d] = true
	return n
}

// each calls the function dir for each tree that the record r refers to, and the
// function blob for the digest of each layer blob that r refers to. It skips trees that
// no longer exist.
func (u *Usage) each(r Record, dir func(*tree.Node), blob func(digest.Digest)) {
	tree := func(id digest.Digest) {
		if n, err := u.trees.Load(id); err == nil { // ignore trees that no longer exist
			dir(n)
		}
	}
	for _, o := range r.record.Outputs {
		tree(o.Tree)
		for _, l := range o.Layers {
			tree(l.Lower)
			tree(l.Upper)
			if l.Blob != nil {
				blob(l.Blob.Descriptor.Digest)
			}
		}
	}
}

// addDir adds a reference to a directory. If it is the first one, addDir also adds the
// references from the directory to its entries.
func (u *Usage) addDir(n *tree.Node) {
	if u.dirs[n.ID()]++; u.dirs[n.ID()] > 1 {
		return
	}
	for _, e := range n.Entries() {
		switch e.Node.Kind() {
		case tree.Dir:
			u.addDir(e.Node)
		case tree.File:
			u.blobs[e.Node.Blob().Digest]++
		default: // other kinds are stored in their directory
		}
	}
}

// Own returns the size of each record in bytes, by its key. Each blob and directory is
// part of the size of the record that added it, but not of records based on that
// record, so that the sum of the sizes is the disk usage. If several records added the
// same data, a source has precedence over other results, and then the least recently
// used record.
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
		u.each(r, func(n *tree.Node) { o.assignAll(r.Key, n, visited) }, func(d digest.Digest) { o.blob(r.Key, d) })
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

// owners assigns each blob and directory to one record, and adds its size to the size of
// this record.
type owners struct {
	u           *Usage
	sizes       map[string]int64       // of records by key
	dirs, blobs map[digest.Digest]bool // assigned directories and blobs
}

// dir assigns the directory n, without its entries, to the record with the given key. If
// the directory is already assigned to a record, dir does nothing.
func (o *owners) dir(key string, n *tree.Node) {
	if !o.dirs[n.ID()] {
		o.dirs[n.ID()] = true
		o.sizes[key] += o.u.sizes.Dirs[n.ID()]
	}
}

// blob assigns the blob d to the record with the given key. If the blob is already assigned
// to a record, the method does nothing.
func (o *owners) blob(key string, d digest.Digest) {
	if !o.blobs[d] {
		o.blobs[d] = true
		o.sizes[key] += o.u.sizes.Blobs[d]
	}
}

// assignTop assigns to the record r the files that its operation added or changed,
// which are the files in the top layer of each output.
func (o *owners) assignTop(r Record) {
	for _, out := range r.record.Outputs {
		top, lower := out.Tree, digest.Digest("")
		if n := len(out.Layers); n > 0 {
			l := out.Layers[n-1]
			if top, lower = l.Upper, l.Lower; l.Blob != nil {
				o.blob(r.Key, l.Blob.Descriptor.Digest)
			}
		}
		n, err := o.u.trees.Load(top)
		if err != nil {
			continue // the tree no longer exists
		}
		below, _ := o.u.trees.Load(lower) // nil if the tree does not exist
		o.assignChanges(r.Key, below, n)
	}
}

// assignChanges assigns the directory n and the directories and blobs below it to the
// record with the given key. It skips those that the directory lower has at the same path.
// lower may be nil.
func (o *owners) assignChanges(key string, lower, n *tree.Node) {
	if lower != nil && lower.ID() == n.ID() {
		return
	}
	o.dir(key, n)
	for _, e := range n.Entries() {
		var old *tree.Node
		if lower != nil {
			old = lower.Child(e.Name)
		}
		switch e.Node.Kind() {
		case tree.Dir:
			if old != nil && old.Kind() != tree.Dir {
				old = nil
			}
			o.assignChanges(key, old, e.Node)
		case tree.File:
			if old == nil || old.Blob() != e.Node.Blob() {
				o.blob(key, e.Node.Blob().Digest)
			}
		default: // other kinds are stored in their directory
		}
	}
}

// assignAll assigns the directory n and everything below it to the record with the given
// key, except for directories and blobs that are already assigned to a record. It skips the
// directories in visited, and adds all others to visited.
func (o *owners) assignAll(key string, n *tree.Node, visited map[digest.Digest]bool) {
	if visited[n.ID()] {
		return
	}
	visited[n.ID()] = true
	o.dir(key, n)
	for _, e := range n.Entries() {
		switch e.Node.Kind() {
		case tree.Dir:
			o.assignAll(key, e.Node, visited)
		case tree.File:
			o.blob(key, e.Node.Blob().Digest)
		default: // other kinds are stored in their directory
		}
	}
}

// layers returns the largest number of layers among the outputs of the record.
func (r Record) layers() (n int) {
	for _, o := range r.record.Outputs {
		n = max(n, len(o.Layers))
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
	var dir func(n *tree.Node)
	dir = func(n *tree.Node) {
		if u.dirs[n.ID()]--; u.dirs[n.ID()] > 0 {
			return
		}
		freed += u.sizes.Dirs[n.ID()]
		for _, e := range n.Entries() {
			switch e.Node.Kind() {
			case tree.Dir:
				dir(e.Node)
			case tree.File:
				blob(e.Node.Blob().Digest)
			default: // other kinds are stored in their directory
			}
		}
	}
	u.each(r, dir, blob)
	u.files -= r.size
	for d, n := range r.bases() {
		u.bases[d] -= n
	}
	return freed
}

// Shared reports whether the results of other records are based on the result of r.
func (u *Usage) Shared(r Record) bool {
	own := r.bases()
	for _, o := range r.record.Outputs {
		if u.bases[o.Tree] > own[o.Tree] {
			return true
		}
	}
	return false
}

// bases returns the IDs of the trees that the result of r is based on: the trees of its
// layers except for the top tree. The map values count how many times the layers refer to
// each tree.
func (r Record) bases() map[digest.Digest]int {
	bases := map[digest.Digest]int{}
	for _, o := range r.record.Outputs {
		for i, l := range o.Layers {
			bases[l.Lower]++
			if i < len(o.Layers)-1 {
				bases[l.Upper]++
			}
		}
	}
	return bases
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
	count := func(sizes map[digest.Digest]int64, refs map[digest.Digest]int) {
		for d, size := range sizes {
			if refs[d] > 0 {
				used += size
			} else {
				unused += size
			}
		}
	}
	count(u.sizes.Blobs, u.blobs)
	count(u.sizes.Dirs, u.dirs)
	return used, unused
}
