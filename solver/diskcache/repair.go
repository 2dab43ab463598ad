package diskcache

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// Clean removes the temporary files of killed processes. No other process may write to the
// cache while Clean runs.
func (c *Cache) Clean() error {
	// Keep the directory itself, because a process that has just opened the cache needs it.
	list, err := os.ReadDir(c.temp())
	for _, d := range list {
		err = errors.Join(err, os.RemoveAll(filepath.Join(c.temp(), d.Name())))
	}
	return err
}

// Sweep removes damaged records, chain files that no record needs, and all other files in the
// cache. No other process may write to the cache while Sweep runs.
func (c *Cache) Sweep(ctx context.Context) error {
	live := map[digest.Digest]bool{}
	err := c.files(ctx, func(file string, _ fs.DirEntry) error {
		r, err := readRecord(file)
		if err != nil {
			return os.RemoveAll(file)
		}
		for _, o := range r.Outputs {
			c.markChains(live, o.Base)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.eachChain(ctx, func(file string, id digest.Digest) error {
		if live[id] {
			return nil
		}
		return os.RemoveAll(file)
	})
}

// markChains marks a chain ID and the IDs of all chain files below it as live. If id is "", it
// does nothing.
func (c *Cache) markChains(live map[digest.Digest]bool, id digest.Digest) {
	for id != "" && !live[id] {
		live[id] = true
		r, _, err := c.readChain(id)
		if err != nil {
			return // the records with this chain are lost
		}
		id = r.Base
	}
}

// eachChain calls fn for each chain file, with the path of the file and the chain ID, which is
// the name of the file.
func (c *Cache) eachChain(ctx context.Context, fn func(string, digest.Digest) error) error {
	list, err := os.ReadDir(c.chainsDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, d := range list {
		err = cmp.Or(err, ctx.Err())
		if err != nil {
			break
		}
		err = fn(filepath.Join(c.chainsDir(), d.Name()), digest.NewDigestFromEncoded(digest.SHA256, d.Name()))
	}
	return err
}

// Repair removes damaged records and chain files. It also removes records and chain files that
// refer to a damaged or missing directory or blob. It reads all blobs that records refer to,
// which may take minutes.
func (c *Cache) Repair(ctx context.Context) error {
	w := &verifier{ctx: ctx, store: c.store, results: map[digest.Digest]error{}}
	loader := c.newLoader()
	err := c.files(ctx, func(file string, _ fs.DirEntry) error {
		r, err := readRecord(file)
		if err == nil {
			var outs []*snapshot.Snapshot
			if outs, err = loader.outputs(r); err == nil {
				err = w.snapshots(outs)
			}
		}
		return w.removeIf(err, file)
	})
	if err != nil {
		return err
	}
	return c.eachChain(ctx, func(file string, id digest.Digest) error {
		chain, err := loader.load(id)
		if err == nil {
			err = w.chain(chain)
		}
		return w.removeIf(err, file)
	})
}

// verifier checks directories, chains and blobs that snapshots refer to. It checks each of them
// only once.
type verifier struct {
	ctx     context.Context
	store   *tree.Store
	results map[digest.Digest]error // by digest of a directory, blob or chain; nil if it is intact
}

// removeIf removes a file of the cache if err is not nil. The parameter err is the result of
// verifying the file.
func (w *verifier) removeIf(err error, file string) error {
	switch {
	case w.ctx.Err() != nil:
		return w.ctx.Err()
	case err != nil:
		return os.RemoveAll(file)
	}
	return nil
}

// snapshots returns an error if a directory or blob of one of the snapshots is damaged or
// missing.
func (w *verifier) snapshots(list []*snapshot.Snapshot) error {
	for _, s := range list {
		if err := cmp.Or(w.ref(s.Ref()), w.chain(s.Chain())); err != nil {
			return err
		}
	}
	return nil
}

// chain returns an error if a directory or blob of a layer in c is damaged or missing.
func (w *verifier) chain(c *snapshot.Chain) error {
	var checked []digest.Digest
	var err error
	for c.Len() > 0 && err == nil {
		result, ok := w.results[c.ID()]
		if ok {
			err = result
			break
		}
		l, below, topErr := c.Top()
		if topErr != nil { // not an error of this chain, which another record may contain
			err = topErr
			break
		}
		checked = append(checked, c.ID())
		err = w.layer(l)
		c = below
	}
	for _, id := range checked {
		w.results[id] = err
	}
	return err
}

// layer returns an error if a directory or blob of the layer is damaged or missing.
func (w *verifier) layer(l snapshot.Layer) error {
	err := cmp.Or(w.ref(l.Lower), w.ref(l.Upper))
	if err == nil && l.Blob != nil {
		err = w.blob(l.Blob.StoreBlob())
	}
	return err
}

// ref returns an error if a directory or blob of the tree that r refers to is damaged or
// missing.
func (w *verifier) ref(r *tree.Ref) error {
	n, err := r.Node()
	if err != nil {
		return err
	}
	return w.tree(n)
}

// tree returns an error if the directory n, or a directory or blob below it, is damaged or
// missing.
func (w *verifier) tree(n *tree.Node) error {
	id := n.ID()
	if err, ok := w.results[id]; ok {
		return err
	}
	err := w.ctx.Err()
	var entries []tree.Entry
	if err == nil {
		entries, err = n.Entries()
	}
	for _, e := range entries {
		switch {
		case err != nil:
		case e.Node.Kind() == tree.Dir:
			err = w.tree(e.Node)
		case e.Node.Kind() == tree.File:
			err = w.blob(e.Node.Blob())
		}
	}
	w.results[id] = err
	return err
}

// blob returns an error if a blob is damaged or missing.
func (w *verifier) blob(b tree.Blob) error {
	if err, ok := w.results[b.Digest]; ok {
		return err
	}
	f, err := w.store.OpenContext(w.ctx, b)
	if err == nil {
		err = f.Close()
	}
	w.results[b.Digest] = err
	return err
}
