package tree

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"slipway/internal/regularfile"
)

// Clean removes the temporary files of killed processes, directories of incomplete layers, and
// layer directories in which a damaged file was found. It must not run while a process uses
// the store.
func (s *Store) Clean() error {
	tmp := filepath.Join(s.dir, "tmp")
	entries, err := os.ReadDir(tmp)
	err = errors.Join(err, s.cleanLocated())
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(tmp, e.Name())))
	}
	return err
}

// Repair verifies all blobs that this process has not verified yet, and removes damaged
// ones.
func (s *Store) Repair(ctx context.Context) error {
	if err := s.repairLocated(ctx); err != nil {
		return err
	}
	return s.each(ctx, "blobs", func(file string, d digest.Digest) error {
		if info, err := os.Lstat(file); err == nil && !info.Mode().IsRegular() {
			return os.RemoveAll(file) // also a symbolic link, because each process finds another file through it
		}
		f, err := regularfile.Open(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		err = d.Validate()
		if err == nil {
			err = s.check(f, Blob{d, info.Size()}, func(r io.Reader) io.Reader { return Reader(ctx, r) })
		}
		if err != nil && ctx.Err() == nil {
			return os.RemoveAll(file)
		}
		return ctx.Err()
	})
}

// each calls fn with the path and the digest of each file in the store's own directory. The
// parameter kind selects the files: "blobs" or "dirs". Another process may delete a file
// before fn opens it.
func (s *Store) each(ctx context.Context, kind string, fn func(string, digest.Digest) error) error {
	return filepath.WalkDir(filepath.Join(s.dir, kind), func(file string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return ctx.Err()
		}
		if err = errors.Join(err, ctx.Err()); err != nil || d.IsDir() {
			return err
		}
		hex := filepath.Base(filepath.Dir(file)) + d.Name()
		return fn(file, digest.NewDigestFromEncoded(digest.SHA256, hex))
	})
}

// Sizes holds the number of bytes that each blob and directory occupies on disk, by digest.
type Sizes struct {
	Blobs, Dirs map[digest.Digest]int64
	// InLayers is the part of Blobs that is in the directories of layers.
	InLayers int64
}

// Sizes returns the disk usage of all blobs and directories. It does not count holes of sparse
// files.
func (s *Store) Sizes(ctx context.Context) (Sizes, error) {
	out := Sizes{Blobs: map[digest.Digest]int64{}, Dirs: map[digest.Digest]int64{}}
	for kind, sizes := range map[string]map[digest.Digest]int64{"blobs": out.Blobs, "dirs": out.Dirs} {
		err := s.each(ctx, kind, func(file string, d digest.Digest) error {
			info, err := os.Lstat(file)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil {
				sizes[d] = sizeOnDisk(info)
			}
			return err
		})
		if err != nil {
			return out, err
		}
	}
	return out, s.addLocated(ctx, &out)
}

// Sweep removes all blobs except for the given ones, and all stored directories except for the
// given ones. It must not run while a process uses the store.
func (s *Store) Sweep(ctx context.Context, blobs, dirs map[digest.Digest]bool) error {
	if err := s.sweepLocated(ctx, blobs); err != nil {
		return err
	}
	s.verified.Clear()
	s.saved.Clear()
	for kind, keep := range map[string]map[digest.Digest]bool{"blobs": blobs, "dirs": dirs} {
		err := s.each(ctx, kind, func(file string, d digest.Digest) error {
			if keep[d] {
				return nil
			}
			if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Remove removes a blob, and returns nil if it does not exist. It must not run while a
// process uses the blob.
func (s *Store) Remove(d digest.Digest) error {
	s.verified.Delete(d)
	if err := os.Remove(s.path("blobs", d)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
