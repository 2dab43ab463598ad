package diskcache

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"slipway/solver/tree"
)

// Usage counts how often what is in the store is referred to: by records, and by
// directories that records refer to. It is for one goroutine.
type Usage struct {
	trees *tree.Loader
	sizes tree.Sizes
	blobs map[digest.Digest]int
	dirs  map[digest.Digest]int
	bases map[digest.Digest]int  // trees that results were made from, by id
	files int64                  // bytes of the records themselves
	held  map[digest.Digest]bool // blobs that are no part of the cache
}

// Usage counts what records refer to.
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

// Hold counts a blob as live and as no part of the cache, whatever else refers to
// it. It returns how many bytes that takes from the cache. Call it before anything
// else.
func (u *Usage) Hold(d digest.Digest) int64 {
	n := u.sizes.Blobs[d]
	delete(u.sizes.Blobs, d)
	u.held[d] = true
	return n
}

// each calls functions for what a record refers to.
func (u *Usage) each(r Record, dir func(*tree.Node), blob func(digest.Digest)) {
	tree := func(id digest.Digest) {
		if n, err := u.trees.Load(id); err == nil { // else it is gone
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
		default: // nothing of the store
		}
	}
}

// Own divides what records use among them, by key, so that the sizes add up: a blob
// or a directory counts for the record that brought it, not for those that are built
// on it. If several brought it, it counts for what was fetched rather than made, or
// else for the one that was not used for longest.
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
	// What no record brought, as those on which it was built are gone, counts for
	// the one with the fewest layers.
	slices.SortStableFunc(records, func(a, b Record) int { return cmp.Compare(a.layers(), b.layers()) })
	walked := map[digest.Digest]bool{}
	for _, r := range records {
		u.each(r, func(n *tree.Node) { o.all(r.Key, n, walked) }, func(d digest.Digest) { o.blob(r.Key, d) })
	}
	return o.own
}

// made orders records of what was made after those of what was fetched.
func made(r Record) int {
	if r.Kind == KindResult {
		return 1
	}
	return 0
}

// owners are the records for which blobs and directories count.
type owners struct {
	u           *Usage
	own         map[string]int64
	dirs, blobs map[digest.Digest]bool // that count for a record
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

// brought counts the changes of the last layer of each output.
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
			continue // it is gone
		}
		below, _ := o.u.trees.Load(lower) // nil if there is none
		o.changes(r.Key, below, n)
	}
}

// changes counts what a directory has and the directory below it has not.
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
		default: // nothing of the store
		}
	}
}

// all counts a directory with all below it that does not count for another record.
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
		default: // nothing of the store
		}
	}
}

// layers returns the number of layers of the largest output.
func (r Record) layers() (n int) {
	for _, o := range r.record.Outputs {
		n = max(n, len(o.Layers))
	}
	return n
}

// Drop takes a record away and returns how many bytes nothing refers to any more.
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
			default: // nothing of the store
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

// bases returns how often a record says that it was made from a tree: all that is
// below its last layer.
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

// Live returns the blobs and directories that at least one record references, and
// the blobs that are held.
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

// Bytes returns how many bytes records have with what they refer to, and how many
// bytes of the store nothing refers to.
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
