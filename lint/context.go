package lint

import (
	"io/fs"
	"sync"

	"slipway/ignore"
)

// ignoreFile is a parsed .dockerignore.
type ignoreFile = ignore.Matcher

// maxListed is the maximum number of names that a Listing reads.
const maxListed = 200_000

// Listing lists the files of a build context. It reads them when a rule asks.
type Listing struct {
	fsys   fs.FS
	ignore *ignore.Matcher
	once   sync.Once
	files  map[string]fs.FileMode // by path with slashes; directories too
	full   bool
}

// NewListing returns the listing of a context, without the files that the ignore file excludes.
// ignored may be nil.
func NewListing(fsys fs.FS, ignored *ignore.Matcher) *Listing {
	return &Listing{fsys: fsys, ignore: ignored}
}

// Files returns the type of each file and directory by its path in the context. ok is false if
// the context cannot be read or has too many files.
func (l *Listing) Files() (files map[string]fs.FileMode, ok bool) {
	if l == nil {
		return nil, false
	}
	l.once.Do(l.read)
	return l.files, l.full
}

// read reads the names of the files.
func (l *Listing) read() {
	l.files = map[string]fs.FileMode{}
	err := fs.WalkDir(l.fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name == "." {
			return nil
		}
		if len(l.files) == maxListed {
			return fs.ErrInvalid
		}
		if l.ignore != nil {
			if ignored, _ := l.ignore.Ignores(name); ignored {
				return nil // a later line of the ignore file may include files below it
			}
		}
		l.files[name] = d.Type()
		return nil
	})
	l.full = err == nil
}
