package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/opencontainers/go-digest"
)

// each calls fn for each blob in each layer. The parameters of fn are the index of the layer
// and the number of the blob in this index.
func (l *locatedBlobs) each(ctx context.Context, fn func(x *blobIndex, i int) error) error {
	if err := l.refresh(); err != nil {
		return err
	}
	l.mu.RLock()
	all := slices.Clone(l.indexes)
	l.mu.RUnlock()
	for _, x := range all {
		for i := range x.count {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := fn(x, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// repairLocated verifies the blobs in layers that this process has not verified yet. If a blob
// is damaged, the store stops using its layer.
func (s *Store) repairLocated(ctx context.Context) error {
	return s.located.each(ctx, func(x *blobIndex, i int) error {
		b := x.location(i).Blob
		f, err := s.openLocated(b, func(r io.Reader) io.Reader { return Reader(ctx, r) }, true)
		if err == nil {
			return f.Close()
		}
		return ctx.Err()
	})
}

// addLocated adds to the given sizes the disk usage of the blobs that exist only in layers.
func (s *Store) addLocated(ctx context.Context, sizes *Sizes) error {
	return s.located.each(ctx, func(x *blobIndex, i int) error {
		at := x.location(i)
		if _, ok := sizes.Blobs[at.Blob.Digest]; ok {
			return nil
		}
		info, err := os.Lstat(filepath.Join(x.layer, at.Path))
		if err == nil && info.Mode().IsRegular() {
			n := sizeOnDisk(info)
			sizes.Blobs[at.Blob.Digest] = n
			sizes.InLayers += n
		}
		return nil //nolint:nilerr // the file was moved or removed
	})
}

// sweepLocated removes each layer directory that contains an unused blob, and each directory
// that is not a complete layer. The parameter keep contains the digests of the used blobs.
// Before it removes a directory, sweepLocated moves the used blobs in it into the store's own
// directory.
func (s *Store) sweepLocated(ctx context.Context, keep map[digest.Digest]bool) error {
	unused := map[*blobIndex]bool{}
	err := s.located.each(ctx, func(x *blobIndex, i int) error {
		if !keep[x.location(i).Blob.Digest] || isAside(x.layer) {
			unused[x] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	for x := range unused {
		gone, err := s.setAside(x)
		if err != nil {
			return err
		}
		if err := s.takeBack(gone, func(d digest.Digest) bool { return keep[d] }); err != nil {
			return err
		}
		if err := errors.Join(RemoveAll(gone.layer), ignoreMissing(os.Remove(gone.layer+indexSuffix))); err != nil {
			return err
		}
	}
	return s.located.refresh()
}

// setAside renames a layer directory before its blobs are moved, so that runners do not use an
// incomplete layer if this process is killed. It returns the index for the new name. It
// creates the index file for the new name before it renames the directory, and removes the old
// index file afterwards. At every moment, the directory therefore has an index file.
func (s *Store) setAside(x *blobIndex) (*blobIndex, error) {
	name, err := s.asideName(x.layer)
	if err != nil {
		return nil, err
	}
	// A link needs no space, so that this also works on a full disk.
	if err := ignoreMissing(os.Link(x.layer+indexSuffix, name+indexSuffix)); err != nil {
		return nil, err
	}
	if err := ignoreMissing(os.Rename(x.layer, name)); err != nil {
		return nil, err
	}
	gone := &blobIndex{layer: name, count: x.count, records: x.records, paths: x.paths}
	return gone, ignoreMissing(os.Remove(x.layer + indexSuffix))
}

// TakeBack moves blobs from the layer directories in dir into the store's own directory, so
// that the caller can remove dir. If the function keep is not nil, TakeBack moves only the
// blobs for which keep returns true. No runner may use the layers any more.
func (s *Store) TakeBack(dir string, keep func(digest.Digest) bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ignoreMissing(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), indexSuffix) {
			continue
		}
		if x := readIndex(filepath.Join(dir, e.Name())); x != nil {
			if err := s.takeBack(x, keep); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeBack moves the blobs of one layer into the store's own directory, as [Store.TakeBack]
// does.
func (s *Store) takeBack(x *blobIndex, keep func(digest.Digest) bool) error {
	for i := range x.count {
		at := x.location(i)
		if keep != nil && !keep(at.Blob.Digest) || s.hasOwn(at.Blob) {
			continue
		}
		err := s.takeFile(x.layer, at)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !isDamage(err) {
			return err
		}
	}
	return nil
}

// hasOwn reports whether the store's own directory has a file of the right size for a blob.
func (s *Store) hasOwn(b Blob) bool {
	info, err := os.Stat(s.path("blobs", b.Digest))
	return err == nil && info.Size() == b.Size
}

// takeFile moves one blob from a layer directory into the store's own directory. It resets the
// owner, mode and extended attributes, which only the file in the layer needs.
func (s *Store) takeFile(layer string, at Location) error {
	parent, base := filepath.Split(at.Path)
	dir, err := openDirBeneath(layer, filepath.Clean(parent))
	if err != nil {
		return err
	}
	defer dir.Close()
	info, err := dir.Lstat(base)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() != at.Blob.Size {
		return damageError("is another file")
	}
	if err := makePlain(dir, base); err != nil {
		return err
	}
	s.verified.Delete(at.Blob.Digest)
	name := s.path("blobs", at.Blob.Digest)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	err = renameFrom(dir, base, name)
	if errors.Is(err, syscall.EISDIR) || errors.Is(err, fs.ErrExist) {
		// Only a directory is removed, because another process may have moved the same blob.
		if err = os.RemoveAll(name); err == nil {
			err = renameFrom(dir, base, name)
		}
	}
	if !isCrossDevice(err) {
		return err
	}
	f, err := dir.Open(base)
	if err != nil {
		return err
	}
	_, err = s.Put(f)
	return errors.Join(err, f.Close())
}

// PutFile stores the content of a file below the directory dir as a blob. The parameter at
// contains the path of the file and the expected blob. If the content is different, PutFile
// returns an error. It follows no symbolic links.
func (s *Store) PutFile(ctx context.Context, dir string, at Location) error {
	f, err := openBeneath(dir, at.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := content(f)
	if err != nil {
		return err
	}
	b, err := s.Put(Reader(ctx, data))
	if err == nil && b != at.Blob {
		err = fmt.Errorf("%s has changed", shortPath(at.Path))
	}
	return err
}
