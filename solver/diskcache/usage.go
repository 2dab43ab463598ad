package diskcache

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"slipway/solver/tree"
)

// Usage counts the references to blobs and directories of the store. References come from
// records, and from directories that records refer to. Not safe for concurrent use.
type Usage struct {
	trees *tree.Loader
	sizes tree.Sizes
	blobs map[digest.Digest]int
	dirs  map[digest.Digest]int
	bases map[digest.Digest]int  // trees that results were made from, by id
	files int64                  // bytes of the record files
	held  map[digest.Digest]bool // blobs that are not part of the cache
}

// Usage counts the references of records.
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

// Hold marks a blob as live and as not part of the cache, even if records refer to it. It
// returns its size, by which the size of the cache decreases. Call Hold before all other
// methods.
func (u *Usage) Hold(d digest.Digest) int64 {
	n := u.sizes.Blobs[d]
	delete(u.sizes.Blobs, d)
	u.held[d] = true
	return n
}

// each calls dir for the trees of a record, and blob for its layer blobs.
func (u *Usage) each(r Record, dir func(*tree.Node), blob func(digest.Digest)) {
	tree := func(id digest.Digest) {
		if n, err := u.trees.Load(id); err == nil { // otherwise it no longer exists
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
		default: // not in the store
		}
	}
}

// Own returns the size of each record, by key. The sizes add up, because each blob and
// directory is part of one size only: the size of the record that added it, and not of
// records built on that one. If several records added it, sources precede results of
// operations. Of several sources or results, the least recently used one is taken.
func (u *Usage) Own(records []Record) map[string]int64 {
	o := &owners{u: u, own: map[string]int64{}, dirs: map[digest.Digest]bool{}, blobs: map[digest.Digest]bool{}}
	records = slices.Clone(records)
	slices.SortFunc(records, func(a, b Record) int {
		return cmp.Or(cmp.Compare(made(a), made(b)), a.Used.Compare(b.Used), cmp.Compare(a.Key, b.Key))
	})
	for _, r := range records {
		o.own[r.Key] = r.size
		o.brought(r)
	}
	// If no record is left that added it, because the results below were removed, it is
	// part of the size of the record with the fewest layers.
	slices.SortStableFunc(records, func(a, b Record) int { return cmp.Compare(a.layers(), b.layers()) })
	walked := map[digest.Digest]bool{}
	for _, r := range records {
		u.each(r, func(n *tree.Node) { o.all(r.Key, n, walked) }, func(d digest.Digest) { o.blob(r.Key, d) })
	}
	return o.own
}

// made returns 1 for results of operations and 0 for sources, which are sorted first.
func made(r Record) int {
	if r.Kind == KindResult {
		return 1
	}
	return 0
}

// owners assigns blobs and directories to records.
type owners struct {
	u           *Usage
	own         map[string]int64
	dirs, blobs map[digest.Digest]bool // that are assigned to a record
}

func (o *owners) dir(key string, n *tree.Node) {
	if !o.dirs[n.ID()] {
		o.dirs[n.ID()] = true
		o.own[key] += o.u.sizes.Dirs[n.ID()]
	}
}

func (o *owners) blob(key string, d digest.Digest) {
	if !o.blobs[d] {
		o.blobs[d] = true
		o.own[key] += o.u.sizes.Blobs[d]
	}
}

// brought assigns the changes of the last layer of each output to r.
func (o *owners) brought(r Record) {
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
			continue // it no longer exists
		}
		below, _ := o.u.trees.Load(lower) // nil if it does not exist
		o.changes(r.Key, below, n)
	}
}

// changes assigns a directory and its files to a record, except those that the lower
// directory contains as well.
func (o *owners) changes(key string, lower, n *tree.Node) {
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
			o.changes(key, old, e.Node)
		case tree.File:
			if old == nil || old.Blob() != e.Node.Blob() {
				o.blob(key, e.Node.Blob().Digest)
			}
		default: // not in the store
		}
	}
}

// all assigns a directory and everything below it to a record, except what is assigned
// already.
func (o *owners) all(key string, n *tree.Node, walked map[digest.Digest]bool) {
	if walked[n.ID()] {
		return
	}
	walked[n.ID()] = true
	o.dir(key, n)
	for _, e := range n.Entries() {
		switch e.Node.Kind() {
		case tree.Dir:
			o.all(key, e.Node, walked)
		case tree.File:
			o.blob(key, e.Node.Blob().Digest)
		default: // not in the store
		}
	}
}

// layers returns the number of layers of the output with the most layers.
func (r Record) layers() (n int) {
	for _, o := range r.record.Outputs {
		n = max(n, len(o.Layers))
	}
	return n
}

// Drop removes the references of a record. It returns the number of bytes that are no
// longer referenced.
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
			default: // not in the store
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

// Shared reports whether other records were made from the result of r.
func (u *Usage) Shared(r Record) bool {
	own := r.bases()
	for _, o := range r.record.Outputs {
		if u.bases[o.Tree] > own[o.Tree] {
			return true
		}
	}
	return false
}

// bases returns the trees that r was made from, which are all trees below its last layer,
// with the number of references of r to them.
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

// Live returns the blobs and directories that at least one record references, and the
// blobs that are held.
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

// Bytes returns the size of records with everything that they reference, and the size of
// unreferenced data in the store.
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
