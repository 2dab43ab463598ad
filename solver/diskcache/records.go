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

	"slipway/internal/sealed"
)

// The kinds of records, as BuildKit calls them.
const (
	KindLocal  = "source.local" // files of a directory of this machine
	KindSource = "source.remote"
	KindResult = "regular" // what an operation made
)

// CacheRecord is what a [DirCache] keeps under a key.
type CacheRecord struct {
	Key  string
	Name string // of the operation
	Kind string
	Used time.Time
	// Bytes is its size on disk. What several records use counts for one of them.
	Bytes int64

	file   string
	size   int64 // of the file
	record record
}

// Records returns what the cache keeps, in the order of keys, without their
// sizes. Damaged records are left out; they are never used either.
func (c *DirCache) Records(ctx context.Context) ([]CacheRecord, error) {
	var list []CacheRecord
	err := c.each(ctx, func(file string, info fs.FileInfo, r record) error {
		list = append(list, CacheRecord{
			Key:  filepath.Base(filepath.Dir(file)) + strings.TrimSuffix(filepath.Base(file), ".json"),
			Name: r.Name, Kind: r.kind(), Used: info.ModTime(),
			file: file, size: info.Size(), record: r,
		})
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
	data, err := readRegular(file)
	if err == nil {
		err = sealed.Unmarshal(data, &r)
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
