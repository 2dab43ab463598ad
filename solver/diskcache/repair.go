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

// Clean removes incomplete files of killed processes. No other process may write to the
// cache meanwhile.
func (c *Cache) Clean() error {
	// The directory itself stays, because other processes may open the cache meanwhile.
	list, err := os.ReadDir(c.temp())
	for _, d := range list {
		err = errors.Join(err, os.RemoveAll(filepath.Join(c.temp(), d.Name())))
	}
	return err
}

// Sweep removes files that are not records, and damaged records.
func (c *Cache) Sweep(ctx context.Context) error {
	return c.files(ctx, func(file string, _ fs.DirEntry) error {
		if _, err := readRecord(file); err != nil {
			return os.RemoveAll(file)
		}
		return nil
	})
}

// Repair removes damaged records, and records that refer to a blob or directory that the
// store lacks or that is damaged. It reads everything that the records refer to.
func (c *Cache) Repair(ctx context.Context) error {
	w := &verifier{ctx: ctx, store: c.store, checked: map[digest.Digest]error{}}
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

// verifier checks that the store has all data that a snapshot refers to, undamaged.
type verifier struct {
	ctx     context.Context
	store   *tree.Store
	checked map[digest.Digest]error // errors of directories and blobs, by digest
}

func (w *verifier) snapshots(list []*snapshot.Snapshot) error {
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

func (w *verifier) tree(n *tree.Node) error {
	if err, ok := w.checked[n.ID()]; ok {
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
	w.checked[n.ID()] = err
	return err
}

func (w *verifier) blob(b tree.Blob) error {
	if err, ok := w.checked[b.Digest]; ok {
		return err
	}
	f, err := w.store.OpenContext(w.ctx, b)
	if err == nil {
		err = f.Close()
	}
	w.checked[b.Digest] = err
	return err
}
