package tree

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"slipway/internal/regularfile"
)

// maxRecent is the maximum number of layers in the list of recently used layers.
const maxRecent = 256

// recentLayers is the list of the layers in which earlier processes found blobs, the most
// recent first. The store searches them before it reads the indexes of all layers, which
// takes time in proportion to their number. The list is only a hint: it may lack layers, and
// contain layers that do not exist any more.
type recentLayers struct {
	file    string   // the list, lines with paths DIR/LAYER in a directory of [Store.AddLayers]; "" disables the list
	read    bool     // whether names has been read
	names   []string // the list when it was read
	pending []string // the part of the list that has not been searched
}

// UseRecent makes the store read and write a list of recently used layers in a file.
func (s *Store) UseRecent(file string) {
	l := &s.located
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recent.file = file
}

// SaveRecent writes the list of recently used layers if it has changed.
func (s *Store) SaveRecent() error {
	l := &s.located
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.recent.file == "" {
		return nil
	}
	l.readRecent()
	var used []string
	for _, x := range l.indexes { // sorted by path
		if name := l.nameOf(x); x.used.Load() && name != "" {
			used = append(used, name)
		}
	}
	next := used
	for _, name := range l.recent.names {
		if !slices.Contains(used, name) {
			next = append(next, name)
		}
	}
	if next = next[:min(len(next), maxRecent)]; slices.Equal(next, l.recent.names) {
		return nil
	}
	return s.write(l.recent.file, []byte(strings.Join(next, "\n")))
}

// nameOf returns the name of a layer in the list, or "" if the layer is not complete.
func (l *locatedBlobs) nameOf(x *blobIndex) string {
	for _, root := range l.roots {
		if name, err := filepath.Rel(root, x.layer); err == nil && isRecentName(name) {
			return name
		}
	}
	return ""
}

// isRecentName reports whether name is the path DIR/LAYER of a complete layer.
func isRecentName(name string) bool {
	return filepath.IsLocal(name) && strings.Count(name, string(filepath.Separator)) == 1 && !isAside(name)
}

// readRecent reads the list if it has not been read. The caller must hold the lock.
func (l *locatedBlobs) readRecent() {
	r := &l.recent
	if r.read || r.file == "" {
		return
	}
	r.read = true
	if data, err := regularfile.Read(r.file); err == nil && len(data) > 0 {
		r.names = strings.Split(string(data), "\n")
	}
	r.pending = r.names
}

// findRecent searches the recently used layers that have not been searched, until it finds
// the blob with the given key. It returns nil if none of them contains the blob.
func (l *locatedBlobs) findRecent(key [32]byte) (x *blobIndex, i int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readRecent()
	for len(l.recent.pending) > 0 {
		name := l.recent.pending[0]
		l.recent.pending = l.recent.pending[1:]
		x := l.openRecent(name)
		if x == nil {
			continue
		}
		l.add(x)
		if i, ok := x.find(key); ok {
			l.found(x)
			return x, i
		}
	}
	return nil, 0
}

// openRecent returns the index of a layer in the list. It returns nil if the layer does not
// exist, or if its index has been read or is damaged. The caller must hold the lock.
func (l *locatedBlobs) openRecent(name string) *blobIndex {
	if !isRecentName(name) {
		return nil
	}
	for _, root := range l.roots {
		layer := filepath.Join(root, name)
		if at := l.listed[filepath.Dir(layer)]; at != nil && at.indexes[filepath.Base(layer)+indexSuffix] != nil {
			return nil
		}
		if info, err := os.Lstat(layer); err == nil && info.IsDir() {
			return readIndex(layer + indexSuffix)
		}
	}
	return nil
}

// found notes that a blob was found in the layer with the index x.
func (l *locatedBlobs) found(x *blobIndex) {
	x.used.Store(true)
	l.last.Store(x)
}
