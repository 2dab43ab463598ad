package llbsource

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"slipway/internal/regularfile"
	"slipway/solver/tree"
)

// Index maps host files and downloads to their content in the store, so that unchanged
// files are not read again. Users of an Index do not check that a blob exists. Code that
// removes blobs from the store must therefore call [Index.Keep]. A nil Index is empty and
// ignores additions. Safe for concurrent use.
type Index struct {
	file string
	now  func() time.Time

	mu      sync.Mutex
	content indexContent
	loaded  bool // whether content was read from file: on first use, when no other process prunes the store
	changed bool // whether content differs from the file
	saved   indexVersion
}

// indexContent is the part of an Index that is saved in a file. The file starts with the SHA-256
// digest of the encoding that follows, see [indexContent.encode].
type indexContent struct {
	Files     map[string]indexedFile  // by path
	Downloads map[string]pastDownload // by [downloadKey]
}

func newIndexContent() indexContent {
	return indexContent{Files: map[string]indexedFile{}, Downloads: map[string]pastDownload{}}
}

// pastDownload is a download of an earlier build, with the response headers that are used
// to revalidate the file and to determine its name.
type pastDownload struct {
	Blob   tree.Blob
	Header map[string]string
}

// indexedFile is a host file that has been read. Writing to a file changes at least one
// of the fields other than Blob: programs can set a modification time, but not ctime.
type indexedFile struct {
	Size              int64
	Modified, Changed int64 // mtime and ctime, in nanoseconds since 1970
	Inode             uint64
	Blob              tree.Blob
}

// OpenIndex opens the index that [Index.Save] wrote to a file. If the file is missing or
// damaged, the index is empty. The function now is a clock: the index compares the times of
// files with the time of the clock.
func OpenIndex(file string, now func() time.Time) *Index { return &Index{file: file, now: now} }

// lock loads the index on first use and locks it. The caller must call the returned
// function unlock. The receiver x must not be nil.
func (x *Index) lock() (unlock func()) {
	x.mu.Lock()
	if !x.loaded {
		x.content, x.saved = readIndex(x.file)
		x.loaded = true
	}
	return x.mu.Unlock
}

// readIndex returns the content of an index file and its version. If the file is missing or
// damaged, it returns an empty index and no version.
func readIndex(file string) (indexContent, indexVersion) {
	data, err := regularfile.Read(file)
	if err != nil || len(data) < sha256.Size || sha256.Sum256(data[sha256.Size:]) != [sha256.Size]byte(data) {
		return newIndexContent(), indexVersion{}
	}
	content, ok := decodeIndex(data[sha256.Size:])
	if !ok {
		return newIndexContent(), indexVersion{}
	}
	return content, indexVersion(data)
}

// maxIdle is the maximum number of files of an index that stays in memory between uses. It
// limits the memory to about 3 MB.
const maxIdle = 10_000

// release saves a large index and removes it from the memory. The next use loads it again. An
// index that cannot be saved stays in memory, and [Index.Save] reports the error.
func (x *Index) release() {
	if x == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.content.Files) > maxIdle && x.save() == nil {
		x.content, x.loaded = indexContent{}, false
	}
}

// Keep removes from the index each file whose content no longer exists, and saves the index. It
// calls the function exists to find out whether a blob exists. The receiver x must not be nil.
func (x *Index) Keep(exists func(tree.Blob) bool) error {
	unlock := x.lock()
	for name, f := range x.content.Files {
		if !exists(f.Blob) {
			delete(x.content.Files, name)
			x.changed = true
		}
	}
	unlock()
	return x.Save()
}

// Save writes the index to its file if it has changed. The receiver x must not be nil.
func (x *Index) Save() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.save()
}

// save does the work of Save. The caller must hold the lock.
func (x *Index) save() error {
	if !x.changed {
		return nil
	}
	tmp, err := os.CreateTemp(filepath.Dir(x.file), ".slipway-index-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	data := x.content.encode()
	sum := sha256.Sum256(data)
	_, err = tmp.Write(append(sum[:], data...))
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), x.file); err != nil {
		return err
	}
	x.changed, x.saved = false, sum
	return nil
}

func (x *Index) lookup(file string, info fs.FileInfo) (tree.Blob, bool) {
	if x == nil {
		return tree.Blob{}, false
	}
	defer x.lock()()
	e, ok := x.content.Files[file]
	now := fileTimes(info)
	now.Blob = e.Blob
	if !ok || e != now {
		return tree.Blob{}, false
	}
	// The digest is a part of the string that contains the whole index.
	return tree.Blob{Digest: digest.Digest(strings.Clone(string(e.Blob.Digest))), Size: e.Blob.Size}, true
}

// clockTick is an upper bound for the granularity of file times. Linux takes them from a
// clock that ticks at least 100 times a second.
const clockTick = 20 * time.Millisecond

// isStable reports whether every later write to the file is certain to change the times of
// the file. A write in the same clock tick as the previous one may leave the times
// unchanged.
func (x *Index) isStable(info fs.FileInfo) bool {
	if x == nil {
		return false
	}
	e := fileTimes(info)
	return x.now().Sub(time.Unix(0, max(e.Modified, e.Changed))) > clockTick
}

func (x *Index) remember(file string, info fs.FileInfo, b tree.Blob) {
	if x == nil {
		return
	}
	defer x.lock()()
	e := fileTimes(info)
	e.Blob = b
	x.content.Files[file], x.changed = e, true
}

func (x *Index) download(key string) (pastDownload, bool) {
	if x == nil {
		return pastDownload{}, false
	}
	defer x.lock()()
	f, ok := x.content.Downloads[key]
	return f, ok
}

func (x *Index) rememberDownload(key string, f pastDownload) {
	if x == nil {
		return
	}
	defer x.lock()()
	x.content.Downloads[key], x.changed = f, true
}
