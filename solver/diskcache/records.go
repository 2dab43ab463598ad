package diskcache

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

// These are the kinds of records. BuildKit uses the same names for its record types.
const (
	KindLocal  = "source.local"  // a local directory, such as the build context
	KindSource = "source.remote" // another source, such as an image
	KindResult = "regular"       // the result of an operation that is not a source
)

// Record describes a result in a [Cache].
type Record struct {
	Key  string    // hexadecimal digest of the cache key
	Name string    // name of the operation
	Kind string    // one of the Kind constants
	Used time.Time // last use
	// Bytes is the size on disk. Records leaves it 0. The caller can set it to the result
	// of [Usage.Own].
	Bytes int64

	file   string // path of the record file
	size   int64  // bytes of the record file
	record recordFile
}

// Records returns all records, sorted by key. It does not set their sizes. Like Get, it
// ignores damaged records.
func (c *Cache) Records(ctx context.Context) ([]Record, error) {
	var list []Record
	err := c.each(ctx, func(file string, info fs.FileInfo, r recordFile) error {
		list = append(list, Record{
			Key:  filepath.Base(filepath.Dir(file)) + strings.TrimSuffix(filepath.Base(file), ".json"),
			Name: r.Name, Kind: r.kind(), Used: info.ModTime(),
			file: file, size: info.Size(), record: r,
		})
		return nil
	})
	return list, err
}

// kind returns the kind of a record: KindLocal for a local directory, KindSource for other
// sources and KindResult for other operations.
func (r recordFile) kind() string {
	switch {
	case strings.HasPrefix(r.Source, "local://"):
		return KindLocal
	case r.Source != "":
		return KindSource
	}
	return KindResult
}

// each calls fn for each record file, with its path and its content. It skips files that
// cannot be read, for example because another process removes them.
func (c *Cache) each(ctx context.Context, fn func(string, fs.FileInfo, recordFile) error) error {
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
			return nil //nolint:nilerr // not a record
		}
		return fn(file, info, r)
	})
}

// files calls fn for each file below the directory of the cache, but not for directories.
// It skips temporary files and chain files.
func (c *Cache) files(ctx context.Context, fn func(string, fs.DirEntry) error) error {
	return filepath.WalkDir(c.dir, func(file string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return ctx.Err()
		case errors.Join(err, ctx.Err()) != nil:
			return errors.Join(err, ctx.Err())
		case d.IsDir() && (file == c.temp() || file == c.chainsDir()):
			return filepath.SkipDir
		case d.IsDir():
			return nil
		}
		return fn(file, d)
	})
}

// readRecord returns the content of a record file. It returns an error if the file is
// damaged or is not a record file.
func readRecord(file string) (recordFile, error) {
	var r recordFile
	if !strings.HasSuffix(file, ".json") {
		return r, errors.New("the file name does not end in .json")
	}
	data, err := readRegular(file)
	if err == nil {
		err = sealed.Unmarshal(data, &r)
	}
	return r, err
}

// Remove removes a record, and returns nil if it does not exist. Its trees and blobs remain
// in the store until [tree.Store.Sweep] removes them.
func (c *Cache) Remove(r Record) error {
	if err := os.Remove(r.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cache: %w", err)
	}
	return nil
}
