package source

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

// Index remembers the content of files of the host and of downloads, so that
// those that did not change are not read again. What it says of files is taken
// without a look into the store: who removes blobs calls [Index.Keep]. The nil
// index remembers nothing.
type Index struct {
	file string
	now  func() time.Time
	read sync.Once // when it is first needed: by then nobody prunes the store

	mu      sync.Mutex
	kept    remembered
	changed bool
}

// remembered is what the file of an index holds.
type remembered struct {
	Files     map[string]indexed      // by path
	Downloads map[string]pastDownload // by what was asked for
}

func newRemembered() remembered {
	return remembered{Files: map[string]indexed{}, Downloads: map[string]pastDownload{}}
}

// pastDownload is a download as it was, with those headers of the answer that say
// what it is.
type pastDownload struct {
	Blob   tree.Blob
	Header map[string]string
}

// indexed is a file as it was read. A change of its content changes at least
// one of the stamps: the system sets Changed, which programs cannot.
type indexed struct {
	Size, Modified, Changed int64
	Inode                   uint64
	Blob                    tree.Blob
}

// OpenIndex opens an index that [Index.Save] wrote. A missing or damaged file is
// an empty index; now is the clock of files.
func OpenIndex(file string, now func() time.Time) *Index { return &Index{file: file, now: now} }

// lock makes the index the caller's alone. It is not nil.
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

// Keep forgets the files whose content is not there.
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

// Save writes the index if it changed.
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

// clockTick is how long two changes of a file may get the same time at most: the
// kernel takes it from a clock that ticks 100 times a second or more.
const clockTick = 20 * time.Millisecond

// settled tells whether a file that changes from now on will have other stamps.
// One that was written this very moment may not.
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
