package llbsource

import (
	"encoding/gob"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"slipway/solver/tree"
)

// Index remembers the content of host files and of downloads, so that unchanged files
// are not read again. Callers trust its entries without checking the store. A caller
// that removes blobs must therefore call [Index.Keep]. A nil Index remembers nothing.
type Index struct {
	file string
	now  func() time.Time
	read sync.Once // on first use, when no process prunes the store

	mu      sync.Mutex
	kept    remembered
	changed bool
}

// remembered is the content of an index file.
type remembered struct {
	Files     map[string]indexed      // by path
	Downloads map[string]pastDownload // by [downloadKey]
}

func newRemembered() remembered {
	return remembered{Files: map[string]indexed{}, Downloads: map[string]pastDownload{}}
}

// pastDownload is a previous download, with the response headers that identify the
// file.
type pastDownload struct {
	Blob   tree.Blob
	Header map[string]string
}

// indexed is a file that has been read. A change of its content changes at least one of
// the fields: the system sets Changed, which programs cannot forge.
type indexed struct {
	Size, Modified, Changed int64
	Inode                   uint64
	Blob                    tree.Blob
}

// OpenIndex opens an index written by [Index.Save]. A missing or damaged file is an
// empty index. now is the clock with which the times of files are compared.
func OpenIndex(file string, now func() time.Time) *Index { return &Index{file: file, now: now} }

// lock loads the index on first use and locks it. The caller must call unlock. x must
// not be nil.
func (x *Index) lock() (unlock func()) {
	x.read.Do(func() {
		x.kept = newRemembered()
		f, err := os.Open(x.file)
		if err != nil {
			return
		}
		defer f.Close()
		kept := newRemembered()
		if err := gob.NewDecoder(f).Decode(&kept); err == nil {
			x.kept = kept
		}
	})
	x.mu.Lock()
	return x.mu.Unlock
}

// Keep forgets the files whose content no longer exists.
func (x *Index) Keep(there func(tree.Blob) bool) error {
	unlock := x.lock()
	for name, f := range x.kept.Files {
		if !there(f.Blob) {
			delete(x.kept.Files, name)
			x.changed = true
		}
	}
	unlock()
	return x.Save()
}

// Save writes the index if it has changed.
func (x *Index) Save() error {
	defer x.lock()()
	if !x.changed {
		return nil
	}
	tmp, err := os.CreateTemp(filepath.Dir(x.file), ".slipway-index-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	err = gob.NewEncoder(tmp).Encode(x.kept)
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
	defer x.lock()()
	e, ok := x.kept.Files[file]
	now := stamps(info)
	now.Blob = e.Blob
	return e.Blob, ok && e == now
}

// clockTick is an upper bound for the resolution of file times. The kernel takes them
// from a clock that ticks at least 100 times a second.
const clockTick = 20 * time.Millisecond

// settled reports whether any later write is certain to change the times of the file. A
// write in the same clock tick as the last one may leave them unchanged.
func (x *Index) settled(info fs.FileInfo) bool {
	if x == nil {
		return false
	}
	e := stamps(info)
	return x.now().Sub(time.Unix(0, max(e.Modified, e.Changed))) > clockTick
}

func (x *Index) remember(file string, info fs.FileInfo, b tree.Blob) {
	if x == nil {
		return
	}
	defer x.lock()()
	e := stamps(info)
	e.Blob = b
	x.kept.Files[file], x.changed = e, true
}

func (x *Index) download(key string) (pastDownload, bool) {
	if x == nil {
		return pastDownload{}, false
	}
	defer x.lock()()
	f, ok := x.kept.Downloads[key]
	return f, ok
}

func (x *Index) rememberDownload(key string, f pastDownload) {
	if x == nil {
		return
	}
	defer x.lock()()
	x.kept.Downloads[key], x.changed = f, true
}
