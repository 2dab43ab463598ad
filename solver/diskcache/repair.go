package solver

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

// Clean removes what processes that were killed left half-written. It must not
// run beside others that use the cache.
func (c *DirCache) Clean() error {
	// The directory itself stays: others open the cache meanwhile.
	list, err := os.ReadDir(c.temp())
	for _, d := range list {
		err = errors.Join(err, os.RemoveAll(filepath.Join(c.temp(), d.Name())))
	}
	return err
}

// Sweep removes files that are no records, or damaged ones.
func (c *DirCache) Sweep(ctx context.Context) error {
	return c.files(ctx, func(file string, _ fs.DirEntry) error {
		if _, err := readRecord(file); err != nil {
			return os.RemoveAll(file)
		}
		return nil
	})
}

// Repair removes the records that are damaged, and those that refer to what is
// not in the store, or not as it was. It reads all that the cache keeps.
func (c *DirCache) Repair(ctx context.Context) error {
	w := &wholeness{ctx: ctx, store: c.store, known: map[digest.Digest]error{}}
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

// wholeness finds out whether all is there that something refers to.
type wholeness struct {
	ctx   context.Context
	store *tree.Store
	known map[digest.Digest]error // of directories and blobs
}

func (w *wholeness) snapshots(list []*snapshot.Snapshot) error {
	for _, s := range list {
		if err := w.tree(s.Tree()); err != nil {
			return err
		}
		for _, l := range s.Layers() {
			if err := errors.Join(w.tree(l.Lower), w.tree(l.Upper)); err != nil {
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

func (w *wholeness) tree(n *tree.Node) error {
	if err, ok := w.known[n.ID()]; ok {
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
	w.known[n.ID()] = err
	return err
}

func (w *wholeness) blob(b tree.Blob) error {
	if err, ok := w.known[b.Digest]; ok {
		return err
	}
	f, err := w.store.OpenContext(w.ctx, b)
	if err == nil {
		err = f.Close()
	}
	w.known[b.Digest] = err
	return err
}
