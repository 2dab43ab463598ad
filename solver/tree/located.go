package tree

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"

	"slipway/internal/regularfile"
)

// indexSuffix is the suffix of the name of a file with a [blobIndex], after the name of the
// layer's directory.
const indexSuffix = ".blobs"

// asideMark is part of the names of directories that store blobs, but are not layers: a
// layer that is being written or removed, or in which a file was damaged. Runners do not use
// them, because the names of layers do not contain the mark.
const asideMark = ".aside-"

// isAside reports whether a directory has a name with [asideMark].
func isAside(dir string) bool { return strings.Contains(filepath.Base(dir), asideMark) }

// locatedBlobs finds blobs in the directories of layers. The content of a file that a step
// has written is stored only there, under the path that it has for later steps. A hard link
// in the store's own directory would be visible to steps, as the link count of the file.
//
// An index next to the directory says which blobs it contains. Indexes are read when a blob
// is first needed that the store does not have itself. Other processes may add and remove
// indexes, so a blob is only reported missing after the directories were listed again.
// Safe for concurrent use.
type locatedBlobs struct {
	temp string // directory for temporary files

	mu      sync.RWMutex
	roots   []string // directories that contain directories of layers, two levels down
	listed  map[string]*layerList
	indexes []*blobIndex
	last    atomic.Pointer[blobIndex] // the index that contained the last blob, which often contains the next
}

// layerList is what a directory contained when it was last listed.
type layerList struct {
	modTime time.Time // of the directory
	settled bool      // another change would change modTime, too
	names   []string
	indexes map[string]*blobIndex // by name; nil if the index is damaged
}

// AddLayers makes the store look for blobs in the directories of layers at dir/*/*, too,
// for which [Store.Locate] has written an index. The directory need not exist.
func (s *Store) AddLayers(dir string) {
	l := &s.located
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Contains(l.roots, dir) {
		l.roots = append(l.roots, dir)
	}
}

// Locate makes the files in the directory of a layer the blobs of the store. The parameter
// list contains the paths of the files in the directory, whose content the caller has hashed
// in this process. The files must not change any more. AddLayers must have been called for
// the directory two levels up.
func (s *Store) Locate(layer string, list []Location) error {
	data, err := encodeIndex(list)
	if err == nil {
		err = s.write(layer+indexSuffix, data)
	}
	if err != nil {
		return err
	}
	x, err := parseIndex(layer, data)
	if err != nil {
		return err
	}
	for i := range x.checked {
		x.checked[i].Store(true)
	}
	l := &s.located
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(x)
	return nil
}

// IsLocated reports whether the directory of a layer has an index of its blobs.
func IsLocated(layer string) bool {
	info, err := os.Lstat(layer + indexSuffix)
	return err == nil && info.Mode().IsRegular()
}

// add adds an index. The caller must hold the lock.
func (l *locatedBlobs) add(x *blobIndex) {
	dir, name := filepath.Split(x.layer + indexSuffix)
	dir = filepath.Clean(dir)
	if l.listed == nil {
		l.listed = map[string]*layerList{}
	}
	if l.listed[dir] == nil {
		l.listed[dir] = &layerList{indexes: map[string]*blobIndex{}}
	}
	l.listed[dir].indexes[name] = x
	l.collect()
}

// collect sets l.indexes. The caller must hold the lock.
func (l *locatedBlobs) collect() {
	l.indexes = l.indexes[:0:0]
	l.last.Store(nil)
	for _, at := range l.listed {
		for _, x := range at.indexes {
			if x != nil {
				l.indexes = append(l.indexes, x)
			}
		}
	}
	slices.SortFunc(l.indexes, func(a, b *blobIndex) int { return strings.Compare(a.layer, b.layer) })
}

// find returns an index that contains a blob, and the number of the blob in it.
func (l *locatedBlobs) find(d digest.Digest) (x *blobIndex, i int) {
	key, err := indexKey(d)
	if err != nil {
		return nil, 0
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if last := l.last.Load(); last != nil {
		if i, ok := last.find(key); ok {
			return last, i
		}
	}
	for _, x := range l.indexes {
		if i, ok := x.find(key); ok {
			l.last.Store(x)
			return x, i
		}
	}
	return nil, 0
}

// others returns the indexes other than x that contain a blob, too.
func (l *locatedBlobs) others(d digest.Digest, x *blobIndex) (list []*blobIndex) {
	key, err := indexKey(d)
	if err != nil {
		return nil
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, o := range l.indexes {
		if _, ok := o.find(key); ok && o != x {
			list = append(list, o)
		}
	}
	return list
}

// refresh lists the directories of layers again if they have changed, and reads the indexes
// that are new.
func (l *locatedBlobs) refresh() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listed == nil {
		l.listed = map[string]*layerList{}
	}
	changed := false
	exists := map[string]bool{}
	for _, root := range l.roots {
		top, _, err := l.list(root)
		if err != nil {
			return err
		}
		exists[root] = true
		for _, name := range top {
			dir := filepath.Join(root, name)
			names, again, err := l.list(dir)
			if err != nil {
				return err
			}
			exists[dir] = true
			if again {
				l.load(dir, names)
				changed = true
			}
		}
	}
	for dir := range l.listed {
		if !exists[dir] {
			delete(l.listed, dir)
			changed = true
		}
	}
	if changed {
		l.collect()
	}
	return nil
}

// list returns the names in a directory, and whether it has listed the directory again
// because it may have changed. The result is empty if the directory does not exist.
func (l *locatedBlobs) list(dir string) (names []string, again bool, err error) {
	old := l.listed[dir]
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		delete(l.listed, dir)
		return nil, old != nil, nil
	}
	if err != nil {
		return nil, false, err
	}
	if old != nil && old.settled && old.modTime.Equal(info.ModTime()) {
		return old.names, false, nil
	}
	now, err := l.fileTime()
	if err != nil {
		return nil, false, err
	}
	if names, err = readNames(dir); err != nil {
		delete(l.listed, dir)
		return nil, old != nil, ignoreMissing(err) // a prune may have removed it meanwhile
	}
	next := &layerList{modTime: info.ModTime(), settled: now.Sub(info.ModTime()) > fileTimeStep, names: names, indexes: map[string]*blobIndex{}}
	if old != nil {
		next.indexes = old.indexes
	}
	l.listed[dir] = next
	return names, true, nil
}

// readNames returns the names in a directory, in any order.
func readNames(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	return names, errors.Join(err, f.Close())
}

// fileTimeStep is more than the time by which the times of files advance in one step.
const fileTimeStep = 100 * time.Millisecond

// fileTime returns the current time of the file system.
func (l *locatedBlobs) fileTime() (time.Time, error) {
	f, err := os.CreateTemp(l.temp, "")
	if err != nil {
		return time.Time{}, err
	}
	info, err := f.Stat()
	// A build may remove temporary files at any time, because cache ls does not lock.
	if err = errors.Join(err, f.Close(), ignoreMissing(os.Remove(f.Name()))); err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// load updates the indexes of the directory dir, which contains the names.
func (l *locatedBlobs) load(dir string, names []string) {
	at := l.listed[dir]
	if at == nil {
		return // removed
	}
	old := at.indexes
	at.indexes = map[string]*blobIndex{}
	exists := make(map[string]bool, len(names))
	for _, name := range names {
		exists[name] = true
	}
	for _, name := range names {
		// An index exists without its directory while the directory is being renamed, and
		// after the process that did so was killed. Another index then lists the blobs.
		if layer, ok := strings.CutSuffix(name, indexSuffix); !ok || !exists[layer] {
			continue
		}
		x := old[name]
		if x == nil { // new, or damaged when it was last read
			x = readIndex(filepath.Join(dir, name))
		}
		at.indexes[name] = x
	}
}

// readIndex reads an index. If it is damaged or was removed, the result is nil.
func readIndex(name string) *blobIndex {
	data, err := regularfile.Read(name)
	if err != nil {
		return nil
	}
	x, err := parseIndex(strings.TrimSuffix(name, indexSuffix), data)
	if err != nil {
		return nil
	}
	return x
}
