package tree

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"

	"slipway/internal/regularfile"
)

// indexSuffix is the suffix of the name of a file with a [blobIndex], after the name of the
// layer's directory.
const indexSuffix = ".blobs"

// damagedMark is part of the name of each layer directory in which a file was damaged. Such
// a directory only stores blobs. Runners must not use it as a layer any more.
const damagedMark = ".damaged-"

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

// find returns the index that contains a blob, and the number of the blob in it.
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

// refresh lists the directories of layers again if they have changed, and reads the indexes
// that are new.
func (l *locatedBlobs) refresh() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listed == nil {
		l.listed = map[string]*layerList{}
	}
	changed := false
	for _, root := range l.roots {
		top, _, err := l.list(root)
		if err != nil {
			return err
		}
		for _, name := range top {
			names, again, err := l.list(filepath.Join(root, name))
			if err != nil {
				return err
			}
			if again {
				l.load(filepath.Join(root, name), names)
				changed = true
			}
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
	f, err := os.Open(dir)
	if err != nil {
		return nil, false, err
	}
	names, err = f.Readdirnames(-1)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, false, err
	}
	next := &layerList{modTime: info.ModTime(), settled: now.Sub(info.ModTime()) > fileTimeStep, names: names, indexes: map[string]*blobIndex{}}
	if old != nil {
		next.indexes = old.indexes
	}
	l.listed[dir] = next
	return names, true, nil
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
	if err = errors.Join(err, f.Close(), os.Remove(f.Name())); err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// load updates the indexes of the directory dir, which contains the names.
func (l *locatedBlobs) load(dir string, names []string) {
	at := l.listed[dir]
	old := at.indexes
	at.indexes = map[string]*blobIndex{}
	for _, name := range names {
		if !strings.HasSuffix(name, indexSuffix) {
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
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return nil
	}
	x, err := parseIndex(strings.TrimSuffix(name, indexSuffix), data)
	if err != nil {
		return nil
	}
	return x
}

// errNotRegular is the error of opening a file that is not regular.
var errNotRegular = errors.New("is not a regular file")

// errNoLayer is the error of opening a blob that is in no layer.
var errNoLayer = &fs.PathError{Op: "open", Path: "layers", Err: fs.ErrNotExist}

// openLocated opens a blob in the directory of a layer, and verifies its digest if this
// process has not done so. If no layer has the blob, the error is [errNoLayer]. If the file
// is not the blob, openLocated removes the blob from the index and returns an error. If the
// file does not exist, it does so only if lost is set, because another process may have
// moved the file.
func (s *Store) openLocated(b Blob, reader func(io.Reader) io.Reader, lost bool) (*os.File, error) {
	x, i := s.located.find(b.Digest)
	if x == nil {
		return nil, errNoLayer
	}
	at := x.location(i)
	f, err := openBeneath(x.layer, at.Path)
	if err == nil {
		if err = verify(f, b, x.checked[i].Load(), reader); err == nil {
			x.checked[i].Store(true)
			return f, nil
		}
		err = errors.Join(err, f.Close())
	}
	if isDamage(err) || lost && errors.Is(err, fs.ErrNotExist) && IsLocated(x.layer) {
		err = errors.Join(&fs.PathError{Op: "open", Path: filepath.Join(x.layer, at.Path), Err: err}, s.retire(x, i))
	}
	return nil, err
}

// isDamage reports whether err is the error of a file that is not the blob that an index
// lists at its path.
func isDamage(err error) bool {
	var damage damageError
	return errors.As(err, &damage) || errors.Is(err, errNotRegular) || errors.Is(err, syscall.ELOOP) ||
		errors.Is(err, syscall.ENOTDIR) || errors.Is(err, fs.ErrInvalid)
}

// retire ends the use of a directory as a layer after the blob with the number i in its
// index turned out to be damaged: steps would see the damaged file, too. The directory gets
// another name, so that runners write the layer again. The other blobs remain available,
// because steps may run on the directory, whose files therefore cannot be moved.
func (s *Store) retire(x *blobIndex, i int) error {
	l := &s.located
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Contains(l.indexes, x) {
		return nil // another goroutine was faster
	}
	name, err := s.unusedName()
	if err != nil {
		return err
	}
	before, _, _ := strings.Cut(x.layer, damagedMark)
	layer := before + damagedMark + name
	data, err := encodeIndex(x.without(i))
	if err != nil {
		return err
	}
	// A reader finds the other blobs through one of the indexes at every moment.
	if err := s.write(layer+indexSuffix, data); err != nil {
		return err
	}
	if err := os.Rename(x.layer, layer); err != nil {
		return errors.Join(ignoreMissing(err), os.Remove(layer+indexSuffix)) // another process was faster
	}
	if err := ignoreMissing(os.Remove(x.layer + indexSuffix)); err != nil {
		return err
	}
	next, err := parseIndex(layer, data)
	if err != nil {
		return err
	}
	delete(l.listed[filepath.Dir(x.layer)].indexes, filepath.Base(x.layer)+indexSuffix)
	l.add(next)
	return nil
}

// unusedName returns a name that no other call returns.
func (s *Store) unusedName() (string, error) {
	f, err := os.CreateTemp(s.temp(), "")
	if err != nil {
		return "", err
	}
	return filepath.Base(f.Name()), errors.Join(f.Close(), os.Remove(f.Name()))
}

// ignoreMissing returns nil if err is the error of a file that does not exist, and err
// otherwise.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// hasLocated reports whether a layer has a file of the right size for a blob. It does not
// verify the digest.
func (s *Store) hasLocated(b Blob) bool {
	x, i := s.located.find(b.Digest)
	if x == nil && s.located.refresh() == nil {
		x, i = s.located.find(b.Digest)
	}
	if x == nil || x.location(i).Blob != b {
		return false
	}
	f, err := openBeneath(x.layer, x.location(i).Path)
	if err != nil {
		return false
	}
	info, err := f.Stat()
	return errors.Join(err, f.Close()) == nil && info.Size() == b.Size
}

// find opens a blob whose size the caller does not know. It does not verify the digest.
func (s *Store) find(d digest.Digest) (*os.File, error) {
	f, err := regularfile.Open(s.path("blobs", d))
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	x, i := s.located.find(d)
	if x == nil && s.located.refresh() == nil {
		x, i = s.located.find(d)
	}
	if x == nil {
		return nil, err
	}
	return openBeneath(x.layer, x.location(i).Path)
}
