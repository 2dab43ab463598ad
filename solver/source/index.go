package source

import (
	"encoding/gob"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"slipway/solver/tree"
)

// Index remembers the content of files of the host, so that files that did not
// change are not read again. The nil index remembers nothing.
type Index struct {
	file string

	mu      sync.Mutex
	entries map[string]indexed
	changed bool
}

// indexed is a file as it was read. A change of its content changes at least
// one of the stamps: the system sets Changed, which programs cannot.
type indexed struct {
	Size, Modified, Changed int64
	Inode                   uint64
	Blob                    tree.Blob
}

// OpenIndex reads an index that [Index.Save] wrote. A missing or damaged file
// is an empty index.
func OpenIndex(file string) *Index {
	x := &Index{file: file, entries: map[string]indexed{}}
	f, err := os.Open(file)
	if err != nil {
		return x
	}
	defer f.Close()
	if err := gob.NewDecoder(f).Decode(&x.entries); err != nil {
		x.entries = map[string]indexed{}
	}
	return x
}

// Save writes the index if it changed.
func (x *Index) Save() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.changed {
		return nil
	}
	tmp, err := os.CreateTemp(filepath.Dir(x.file), ".slipway-index-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	err = gob.NewEncoder(tmp).Encode(x.entries)
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	x.changed = false
	return os.Rename(tmp.Name(), x.file)
}

func (x *Index) lookup(file string, info fs.FileInfo) (tree.Blob, bool) {
	if x == nil {
		return tree.Blob{}, false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	e, ok := x.entries[file]
	now := stamps(info)
	now.Blob = e.Blob
	return e.Blob, ok && e == now
}

func (x *Index) remember(file string, info fs.FileInfo, b tree.Blob) {
	if x == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	e := stamps(info)
	e.Blob = b
	x.entries[file], x.changed = e, true
}
