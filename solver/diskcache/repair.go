package diskcache

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// Clean removes temporary files of processes that were killed. No other process may write
// to the cache meanwhile.
func (c *Cache) Clean() error {
	// Keep the directory itself, because a process that has just opened the cache needs it.
	list, err := os.ReadDir(c.temp())
	for _, d := range list {
		err = errors.Join(err, os.RemoveAll(filepath.Join(c.temp(), d.Name())))
	}
	return err
}

// Sweep removes damaged records and all files in the cache that are not records.
func (c *Cache) Sweep(ctx context.Context) error {
	return c.files(ctx, func(file string, _ fs.DirEntry) error {
		if _, err := readRecord(file); err != nil {
			return os.RemoveAll(file)
		}
		return nil
	})
}

// Repair removes damaged records, and records that refer to a directory or blob that is
// damaged or does not exist. It reads all blobs that records refer to, which takes long.
func (c *Cache) Repair(ctx context.Context) error {
	w := &verifier{ctx: ctx, store: c.store, results: map[digest.Digest]error{}}
	loader := c.store.Loader()
	return c.files(ctx, func(file string, _ fs.DirEntry) error {
		r, err := readRecord(file)
		if err == nil {
			var outs []*snapshot.Snapshot
			if outs, err = c.load(loader, r); err == nil {
				err = w.snapshots(outs)
			}
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return os.RemoveAll(file)
		}
		return nil
	})
}

// verifier checks directories and blobs that snapshots refer to. It checks each of them
// only once.
type verifier struct {
	ctx     context.Context
	store   *tree.Store
	results map[digest.Digest]error // by digest of a directory or blob; nil if it is intact
}

// snapshots returns an error if a directory or blob of one of the snapshots is damaged or
// missing.
func (w *verifier) snapshots(list []*snapshot.Snapshot) error {
	for _, s := range list {
		if err := w.ref(s.Ref()); err != nil {
			return err
		}
		for _, l := range s.Layers() {
			if err := errors.Join(w.ref(l.Lower), w.ref(l.Upper)); err != nil {
				return err
			}
			if l.Blob == nil {
				continue
			}
			if err := w.blob(l.Blob.StoreBlob()); err != nil {
				return err
			}
		}
	}
	return nil
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
	if err, ok := w.results[n.ID()]; ok {
		return err
	}
	err := w.ctx.Err()
	for _, e := range n.Entries() {
		switch {
		case err != nil:
		case e.Node.Kind() == tree.Dir:
			err = w.tree(e.Node)
		case e.Node.Kind() == tree.File:
			err = w.blob(e.Node.Blob())
		}
	}
	w.results[n.ID()] = err
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
