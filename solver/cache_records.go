package solver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"slipway/solver/tree"
)

// The kinds of records, as BuildKit calls them.
const (
	KindLocal  = "source.local" // files of a directory of this machine
	KindSource = "source.remote"
	KindResult = "regular" // what an operation made
)

// CacheRecord is what a [DirCache] keeps under a key.
type CacheRecord struct {
	Key   string
	Name  string // of the operation
	Kind  string
	Bytes int64 // of the files that its last layer brings
	Used  time.Time
	file  string
}

// Records returns what the cache keeps, in the order of keys. Damaged records
// are left out; they are never used either.
func (c *DirCache) Records(ctx context.Context) ([]CacheRecord, error) {
	var list []CacheRecord
	loader := c.store.Loader()
	err := c.each(ctx, func(file string, info fs.FileInfo, r record) error {
		out := CacheRecord{
			Key:  filepath.Base(filepath.Dir(file)) + strings.TrimSuffix(filepath.Base(file), ".json"),
			Name: r.Name, Kind: r.kind(), Used: info.ModTime(), file: file,
		}
		for _, o := range r.Outputs {
			if len(o.Layers) == 0 {
				continue
			}
			l := o.Layers[len(o.Layers)-1]
			lower, errLower := loader.Load(l.Lower)
			upper, errUpper := loader.Load(l.Upper)
			if errors.Join(errLower, errUpper) != nil {
				continue // what it refers to is gone
			}
			err := tree.Diff(lower, upper, func(ch tree.Change) error {
				if ch.Node != nil {
					out.Bytes += ch.Node.Blob().Size
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		list = append(list, out)
		return nil
	})
	return list, err
}

func (r record) kind() string {
	switch {
	case strings.HasPrefix(r.Source, "local://"):
		return KindLocal
	case r.Source != "":
		return KindSource
	}
	return KindResult
}

// each calls fn for each record that can be read. Those that another process
// removes meanwhile are left out.
func (c *DirCache) each(ctx context.Context, fn func(string, fs.FileInfo, record) error) error {
	return c.files(ctx, func(file string, d fs.DirEntry) error {
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		r, err := readRecord(file)
		if err != nil {
			return nil //nolint:nilerr // it is no record
		}
		return fn(file, info, r)
	})
}

// files calls fn for each file that is, or should be, a record.
func (c *DirCache) files(ctx context.Context, fn func(string, fs.DirEntry) error) error {
	return filepath.WalkDir(c.dir, func(file string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return ctx.Err()
		case errors.Join(err, ctx.Err()) != nil:
			return errors.Join(err, ctx.Err())
		case file == c.temp():
			return filepath.SkipDir
		case d.IsDir():
			return nil
		}
		return fn(file, d)
	})
}

func readRecord(file string) (record, error) {
	var r record
	if !strings.HasSuffix(file, ".json") {
		return r, errors.New("the name is not that of a record")
	}
	data, err := os.ReadFile(file)
	if err == nil {
		err = Unseal(data, &r)
	}
	return r, err
}

// Remove removes a record. What it refers to stays in the store until that is
// swept.
func (c *DirCache) Remove(r CacheRecord) error {
	if err := os.Remove(r.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cache: %w", err)
	}
	return nil
}

// Live is what records refer to.
type Live struct{ Blobs, Dirs map[digest.Digest]bool }

// Live returns all that the records of the cache refer to.
func (c *DirCache) Live(ctx context.Context) (Live, error) {
	l := Live{Blobs: map[digest.Digest]bool{}, Dirs: map[digest.Digest]bool{}}
	loader := c.store.Loader()
	mark := func(id digest.Digest) {
		if n, err := loader.Load(id); err == nil {
			l.mark(n)
		}
	}
	err := c.each(ctx, func(_ string, _ fs.FileInfo, r record) error {
		for _, o := range r.Outputs {
			mark(o.Tree)
			for _, layer := range o.Layers {
				mark(layer.Lower)
				mark(layer.Upper)
				if layer.Blob != nil {
					l.Blobs[layer.Blob.Descriptor.Digest] = true
				}
			}
		}
		return nil
	})
	return l, err
}

// mark notes a directory and all that is in it.
func (l *Live) mark(n *tree.Node) {
	if l.Dirs[n.ID()] {
		return
	}
	l.Dirs[n.ID()] = true
	for _, e := range n.Entries() {
		switch e.Node.Kind() {
		case tree.Dir:
			l.mark(e.Node)
		case tree.File:
			l.Blobs[e.Node.Blob().Digest] = true
		default: // nothing of the store
		}
	}
}
