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

// The kinds of records, as in BuildKit.
const (
	KindLocal  = "source.local" // files of a local directory
	KindSource = "source.remote"
	KindResult = "regular" // result of an operation
)

// Record is a result in a [Cache].
type Record struct {
	Key  string
	Name string // of the operation
	Kind string
	Used time.Time
	// Bytes is the size on disk. Data that several records use is part of the size of
	// only one of them.
	Bytes int64

	file   string
	size   int64 // of the file
	record recordFile
}

// Records returns all records, sorted by key, without their sizes. Damaged records are
// left out, because they are never used.
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

func (r recordFile) kind() string {
	switch {
	case strings.HasPrefix(r.Source, "local://"):
		return KindLocal
	case r.Source != "":
		return KindSource
	}
	return KindResult
}

// each calls fn for each record that can be read. Records that another process removes
// concurrently are left out.
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

// files calls fn for each file outside of the directory for temporary files.
func (c *Cache) files(ctx context.Context, fn func(string, fs.DirEntry) error) error {
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

func readRecord(file string) (recordFile, error) {
	var r recordFile
	if !strings.HasSuffix(file, ".json") {
		return r, errors.New("the file is not named like a record")
	}
	data, err := readRegular(file)
	if err == nil {
		err = sealed.Unmarshal(data, &r)
	}
	return r, err
}

// Remove removes a record. Its trees and blobs remain in the store until the store is
// swept.
func (c *Cache) Remove(r Record) error {
	if err := os.Remove(r.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cache: %w", err)
	}
	return nil
}
