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

// indexSuffix is the suffix of the file that stores the [blobIndex] of a layer directory. The
// rest of the file's name is the name of the directory.
const indexSuffix = ".blobs"

// asideMark is part of the names of directories that contain blobs, but no complete layer: a
// layer that is being written or removed, or in which a damaged file was found. The name of a
// complete layer never contains the mark, so runners do not use these directories.
const asideMark = ".aside-"

// isAside reports whether the name of a directory contains [asideMark].
func isAside(dir string) bool { return strings.Contains(filepath.Base(dir), asideMark) }

// locatedBlobs finds blobs in layer directories. When a step has written a file, its content
// is stored only in the layer directory, as a file that later steps see. A hard link to it in
// the store's own directory would be visible to steps, because the link count of the file
// changes.
//
// An index file next to each layer directory lists its blobs. The store reads the index files
// when it first needs a blob that it does not find otherwise. Other processes may add and
// remove layers. Before the store reports that a blob does not exist, it therefore lists the
// layers again. Safe for concurrent use.
type locatedBlobs struct {
	temp string // directory for temporary files

	mu      sync.RWMutex
	roots   []string // directories that contain directories of layers, two levels down
	listed  map[string]*layerList
	indexes []*blobIndex
	last    atomic.Pointer[blobIndex] // the index that contained the last blob, which often contains the next
	recent  recentLayers
}

// layerList contains the names and indexes that a directory of layer directories contained
// when it was last listed.
type layerList struct {
	modTime time.Time // modification time of the directory
	settled bool      // another change would change modTime, too
	names   []string
	indexes map[string]*blobIndex // by name; nil if the index is damaged
}

// AddLayers makes the store also look for blobs in the layer directories dir/*/* for which
// [Store.Locate] has written an index. The directory dir need not exist.
func (s *Store) AddLayers(dir string) {
	l := &s.located
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Contains(l.roots, dir) {
		l.roots = append(l.roots, dir)
	}
}

// Locate makes files in a layer directory available as blobs, by writing an index. The
// parameter list contains the paths and contents of the files. The caller must have hashed the
// contents in this process, and the files must not change any more. AddLayers must have been
// called for the grandparent directory of the layer directory.
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
	x.used.Store(true) // the next build is likely to use it
	l := &s.located
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(x)
	return nil
}

// IsLocated reports whether a layer directory has an index file.
func IsLocated(layer string) bool {
	info, err := os.Lstat(layer + indexSuffix)
	return err == nil && info.Mode().IsRegular()
}

// add adds the index x to the indexes that find searches. The caller must hold the lock.
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

// collect updates the field indexes, in which find searches: it contains the indexes of all
// layers, sorted by path. The caller must hold the lock.
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

// find returns an index x that contains the blob with digest d, and the number i of the blob
// in x. If neither an index that was read nor a recently used layer contains the blob, x is
// nil.
func (l *locatedBlobs) find(d digest.Digest) (x *blobIndex, i int) {
	key, err := indexKey(d)
	if err != nil {
		return nil, 0
	}
	if x, i = l.findRead(key); x == nil {
		x, i = l.findRecent(key)
	}
	return x, i
}

// findRead does the work of find for the indexes that have been read.
func (l *locatedBlobs) findRead(key [32]byte) (x *blobIndex, i int) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if last := l.last.Load(); last != nil {
		if i, ok := last.find(key); ok {
			return last, i
		}
	}
	for _, x := range l.indexes {
		if i, ok := x.find(key); ok {
			l.found(x)
			return x, i
		}
	}
	return nil, 0
}

// others returns all indexes except for x that also contain the blob with digest d. These
// are all such indexes only after a call to refresh.
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

// refresh finds layers that were added or removed since its last call. It lists only
// directories that have changed, and reads only new index files.
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

// list returns the names in the directory dir. If the directory has not changed since the last
// call, list returns the same names as in that call, and the second result is false. If the
// directory does not exist, list returns no names.
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

// fileTimeStep is longer than the resolution of modification times. If a directory was
// modified less than fileTimeStep ago, another change may leave its modification time
// unchanged.
const fileTimeStep = 100 * time.Millisecond

// fileTime returns the current time according to the file system, which it reads from a new
// temporary file.
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

// load updates the indexes of the layers in the directory dir. The parameter names contains
// the names of all files in dir. It reads only index files that are new, or that were damaged
// when it read them before.
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

// readIndex reads the named index file. If the file is damaged or does not exist, it returns
// nil.
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
