package solver

import (
	"context"

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
	bases map[digest.Digest]int // trees that results were made from, by id
	files int64                 // bytes of the records themselves
}

// Usage counts what records refer to.
func (c *DirCache) Usage(ctx context.Context, records []CacheRecord) (*Usage, error) {
	u := &Usage{trees: c.store.Loader(), blobs: map[digest.Digest]int{}, dirs: map[digest.Digest]int{}, bases: map[digest.Digest]int{}}
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

// each calls functions for what a record refers to.
func (u *Usage) each(r CacheRecord, dir func(*tree.Node), blob func(digest.Digest)) {
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

// Drop takes a record away and returns how many bytes nothing refers to any more.
func (u *Usage) Drop(r CacheRecord) int64 {
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

// Shared tells whether other records were made from what a record made.
func (u *Usage) Shared(r CacheRecord) bool {
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
func (r CacheRecord) bases() map[digest.Digest]int {
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

// Live returns what is referred to.
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
	return live(u.blobs), live(u.dirs)
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
