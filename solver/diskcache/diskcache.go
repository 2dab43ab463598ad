// Package diskcache implements [solver.Cache] on disk. It also lists cached results, measures
// their disk usage, and removes them.
//
// The directory of a cache contains one file per result:
//
//	AB/CDEF….json  the result whose cache key has the digest ABCDEF…; see internal/sealed
//	chains/ABCD…   the lowest layers of results, which many results share; see recordChain
//	tmp            files that are being written
//
// Not here: cache keys (package solver), the files of results (solver/tree), and the decision
// which results to remove (builder/state).
package diskcache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"

	"slipway/internal/sealed"
	"slipway/solver"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// Cache is a [solver.Cache] on disk. Safe for concurrent use, also by several
// processes: a record file is renamed to its final path only after the trees that it
// refers to are stored.
type Cache struct {
	dir   string
	store *tree.Store
	now   func() time.Time
	// loader loads the trees and chains of records. All records share it, because the
	// results of a build have most directories and layers in common.
	loader *loader
}

// Open opens the cache in the directory dir, and creates dir if it does not exist. The
// parameter store contains the file trees of results. When a result is used, the cache calls
// the function now to get the current time, and records it as the time of the last use.
func Open(dir string, store *tree.Store, now func() time.Time) (*Cache, error) {
	c := &Cache{dir: dir, store: store, now: now}
	c.loader = c.newLoader()
	return c, os.MkdirAll(c.temp(), 0o700)
}

// temp returns the path of the directory for files that are being written.
func (c *Cache) temp() string { return filepath.Join(c.dir, "tmp") }

// recordFile is the content of a record file, which describes the result of one operation.
type recordFile struct {
	Key     digest.Digest // cache key of the result
	Name    string        // name of the operation
	ID      digest.Digest `json:",omitempty"` // see [solver.CacheEntry]
	Source  string        `json:",omitempty"` // see [solver.Origin]
	Outputs []recordOutput
}

// recordOutput is an output of an operation. It refers to trees in the store by ID.
type recordOutput struct {
	Tree digest.Digest // "" if the output is nil
	recordChain
}

// file returns the path of the record file for a cache key.
func (c *Cache) file(key digest.Digest) string {
	hex := key.Encoded()
	return filepath.Join(c.dir, hex[:2], hex[2:]+".json")
}

// Get implements [solver.Cache]. A damaged record, or one that refers to a tree that the
// store lacks, is a cache miss.
func (c *Cache) Get(ctx context.Context, key digest.Digest) (solver.CacheEntry, bool, error) {
	if err := ctx.Err(); err != nil {
		return solver.CacheEntry{}, false, err
	}
	file := c.file(key)
	data, err := readRegular(file)
	if errors.Is(err, fs.ErrNotExist) {
		return solver.CacheEntry{}, false, nil
	}
	if err != nil {
		return solver.CacheEntry{}, false, fmt.Errorf("cache: %w", err)
	}
	var r recordFile
	if err := sealed.Unmarshal(data, &r); err != nil || r.Key != key {
		return solver.CacheEntry{}, false, nil //nolint:nilerr // the operation runs again
	}
	outs, err := c.loader.outputs(r)
	if err != nil {
		return solver.CacheEntry{}, false, nil //nolint:nilerr // the operation runs again
	}
	now := c.now()
	_ = os.Chtimes(file, now, now) // ignore errors: only pruning needs the time of the last use
	return solver.CacheEntry{ID: r.ID, Outputs: outs}, true, nil
}

// readRegular returns the content of a file. If the file is not a regular file, the error
// is [fs.ErrNotExist]. It opens the file before it checks the type, because another process
// may delete or replace the file at any time.
func readRegular(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)      // without O_NONBLOCK, opening a FIFO waits for a writer
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENXIO) { // a link to itself, or a socket
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(f)
}

// outputs returns the outputs that the record r describes.
func (x *loader) outputs(r recordFile) ([]*snapshot.Snapshot, error) {
	var outs []*snapshot.Snapshot
	for _, o := range r.Outputs {
		if o.Tree == "" {
			outs = append(outs, nil)
			continue
		}
		files, err := x.trees.Ref(o.Tree)
		if err != nil {
			return nil, err
		}
		chain, err := x.chain(o.recordChain)
		if err != nil {
			return nil, err
		}
		outs = append(outs, snapshot.NewRef(files, chain))
	}
	return outs, nil
}

// Put implements [solver.Cache].
func (c *Cache) Put(ctx context.Context, key digest.Digest, origin solver.Origin, entry solver.CacheEntry) error {
	r := recordFile{Key: key, Name: origin.Name, ID: entry.ID, Source: origin.Source}
	for _, s := range entry.Outputs {
		if err := ctx.Err(); err != nil {
			return err
		}
		var o recordOutput
		if s != nil {
			if err := c.store.SaveRef(s.Ref()); err != nil {
				return fmt.Errorf("cache: %w", err)
			}
			o.Tree = s.Ref().ID()
		}
		var err error
		if o.recordChain, err = c.saveChain(s.Chain()); err != nil {
			return fmt.Errorf("cache: %w", err)
		}
		r.Outputs = append(r.Outputs, o)
	}
	data, err := sealed.Marshal(r)
	if err != nil {
		return err
	}
	if err := c.write(c.file(key), data); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	return nil
}

// write writes data to a temporary file and renames it to the path given by the parameter
// file. If a directory exists at this path, write removes it first.
func (c *Cache) write(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(c.temp(), "")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		if err := os.RemoveAll(file); err != nil { // a directory is not a record
			return err
		}
	}
	now := c.now()
	if err := os.Chtimes(tmp.Name(), now, now); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}
