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
	"sync/atomic"
)

// LayerWriter writes a layer directory. It moves blobs from the store's own directory into the
// layer directory, so that their content takes space only once. Other blobs are copied.
//
// Until the layer is complete, its directory has another name, which runners do not use. An
// index file for this name is written before the first blob is moved, and one for the final
// name before the directory is renamed. At every moment, other processes therefore find each
// blob in the store's own directory or through an index. If this process is killed,
// [Store.Clean] moves the blobs back.
type LayerWriter struct {
	store *Store
	dir   string // directory of the complete layer
	list  []Location
	index *blobIndex    // index of the incomplete layer; nil if there is nothing to move
	moved []atomic.Bool // for each blob in the index
	apart atomic.Bool   // the layer is on another file system, so that files cannot be moved
}

// NewLayer returns a writer for the layer directory dir, which must not exist. The parameter
// list contains the blobs that the writer may move. The caller must call Commit or Abort.
// AddLayers must have been called for the grandparent directory of dir.
func (s *Store) NewLayer(dir string, list []Location) (*LayerWriter, error) {
	name, err := s.asideName(dir)
	if err != nil {
		return nil, err
	}
	data, err := encodeIndex(list)
	if err != nil {
		return nil, err
	}
	w := &LayerWriter{store: s, dir: dir, list: list}
	if w.index, err = parseIndex(name, data); err != nil {
		return nil, err
	}
	w.moved = make([]atomic.Bool, w.index.count)
	if len(list) > 0 {
		err = s.write(name+indexSuffix, data)
	}
	if err == nil {
		err = os.Mkdir(name, 0o700)
	}
	if err != nil {
		return nil, errors.Join(err, ignoreMissing(os.Remove(name+indexSuffix)))
	}
	l := &s.located
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(w.index)
	return w, nil
}

// Write writes the files of the tree n into the layer directory, as [WriteDir] does.
func (w *LayerWriter) Write(ctx context.Context, n *Node, opt HostOptions) error {
	opt.layer = w
	return WriteDir(ctx, w.index.layer, n, w.store, opt)
}

// Commit renames the directory to its final name, so that runners can use the layer. If
// another process has already written the same layer, Commit removes the directory of this
// writer.
func (w *LayerWriter) Commit() error {
	if len(w.list) > 0 {
		data, err := encodeIndex(w.list)
		if err == nil {
			err = w.store.write(w.dir+indexSuffix, data)
		}
		if err != nil {
			return errors.Join(err, w.Abort())
		}
	}
	if err := os.Rename(w.index.layer, w.dir); err != nil {
		if info, statErr := os.Stat(w.dir); statErr != nil || !info.IsDir() {
			return errors.Join(err, w.Abort())
		}
		// The other process has written the same files.
		if err := RemoveAll(w.index.layer); err != nil {
			return err
		}
	}
	err := w.forget()
	if err == nil && len(w.list) > 0 {
		err = w.store.Locate(w.dir, w.list)
	}
	return err
}

// Abort moves the blobs back into the store's own directory and removes the layer directory.
func (w *LayerWriter) Abort() error {
	for i := range w.moved {
		at := w.index.location(i)
		if !w.moved[i].Load() || w.store.hasOwn(at.Blob) {
			continue
		}
		if err := w.store.takeFile(w.index.layer, at); err != nil {
			return fmt.Errorf("move blobs back: %w", err) // Clean tries again
		}
	}
	if err := RemoveAll(w.index.layer); err != nil {
		return err
	}
	return w.forget()
}

// forget removes the index of the incomplete layer, both the file and the copy in memory.
func (w *LayerWriter) forget() error {
	l := &w.store.located
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(w.index)
	return ignoreMissing(os.Remove(w.index.layer + indexSuffix))
}

// move moves the blob of the file n from the store's own directory into the open directory
// parent. The parameter path is the path of the file in the layer. If the blob cannot be
// moved, for example because it is already in another layer, move returns false, and the
// caller must copy the content.
func (w *LayerWriter) move(ctx context.Context, parent *os.Root, path string, n *Node) (bool, error) {
	key, err := indexKey(n.blob.Digest)
	if err != nil {
		return false, nil //nolint:nilerr // opening the blob returns the error
	}
	i, ok := w.index.find(key)
	if !ok || w.index.location(i).Path != path || w.apart.Load() {
		return false, nil
	}
	s := w.store
	f, err := s.openOwn(n.blob, func(r io.Reader) io.Reader { return Reader(ctx, r) }) // verifies the digest
	if err != nil {
		return false, nil //nolint:nilerr // opening the blob again returns the error
	}
	if err := f.Close(); err != nil {
		return false, err
	}
	err = renameInto(s.path("blobs", n.blob.Digest), parent, filepath.Base(path))
	switch {
	case errors.Is(err, fs.ErrNotExist): // another process was faster
		return false, nil
	case isCrossDevice(err):
		w.apart.Store(true)
		return false, nil
	case err != nil:
		return false, err
	}
	w.moved[i].Store(true)
	s.verified.Delete(n.blob.Digest)
	return true, nil
}

// cleanLocated removes layer directories that are not complete, and index files whose layer
// directory does not exist. It first moves the blobs in these directories into the store's own
// directory. Every build calls cleanLocated, so it must be fast. It therefore does not read
// the indexes of complete layers.
func (s *Store) cleanLocated() error {
	s.located.mu.RLock()
	roots := slices.Clone(s.located.roots)
	s.located.mu.RUnlock()
	for _, root := range roots {
		boots, err := os.ReadDir(root)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, boot := range boots {
			if !boot.IsDir() {
				continue
			}
			if err := s.cleanDir(filepath.Join(root, boot.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// cleanDir does the work of cleanLocated for the layer directories in dir.
func (s *Store) cleanDir(dir string) error {
	names, err := readNames(dir)
	if err != nil {
		return err
	}
	exists := make(map[string]bool, len(names))
	for _, name := range names {
		exists[name] = true
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		layer, isIndex := strings.CutSuffix(name, indexSuffix)
		return !isAside(name) && (!isIndex || exists[layer])
	})
	for _, remove := range []bool{false, true} {
		for _, name := range names {
			name = filepath.Join(dir, name)
			if remove {
				err = RemoveAll(name)
			} else if x := readIndex(name); x != nil {
				err = s.takeBack(x, nil)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
