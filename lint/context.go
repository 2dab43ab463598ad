package lint

import (
	"io/fs"
	"maps"
	"path"
	"slices"
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
	all    []string               // the paths of all files and directories, with those that the ignore file excludes; too many are cut
	used   map[int]bool           // the lines of the ignore file that decide about a path, by their offset
	full   bool

	byDir sync.Once
	names map[string][]string // the names in each directory in order; see Names
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

// IgnoreLine is a line of an ignore file that decides about no file.
type IgnoreLine struct {
	*ignore.Rule
	Path string       // a path that the line matches; "" if it matches none
	By   *ignore.Rule // the line that decides about the path; nil if none does
}

// Unused returns the lines of the ignore file that decide about no file of the context. It returns
// nil if the context cannot be read or has too many files.
func (l *Listing) Unused() []IgnoreLine {
	if _, ok := l.Files(); !ok || l.ignore == nil || len(l.all) > maxListed {
		return nil
	}
	var list []IgnoreLine
	for r := range l.ignore.Rules() {
		if l.used[r.Range.Start] {
			continue
		}
		line := IgnoreLine{Rule: r}
		if i := slices.IndexFunc(l.all, func(name string) bool { return l.ignore.Matches(r, name) }); i >= 0 {
			line.Path = l.all[i]
			_, line.By = l.ignore.Ignores(line.Path)
		}
		list = append(list, line)
	}
	return list
}

// All returns the paths of all files and directories of the context in order, also of those that
// the ignore file excludes.
func (l *Listing) All() []string {
	l.Files()
	return l.all
}

// Names returns the names of the files and directories in a directory of the context, in order. The
// root is ".". Names is nil if the context is unknown.
func (l *Listing) Names(dir string) []string {
	files, ok := l.Files()
	if !ok {
		return nil
	}
	l.byDir.Do(func() {
		l.names = map[string][]string{}
		for _, name := range slices.Sorted(maps.Keys(files)) {
			l.names[path.Dir(name)] = append(l.names[path.Dir(name)], path.Base(name))
		}
	})
	return l.names[dir]
}

// read reads the names of the files.
func (l *Listing) read() {
	l.files, l.used = map[string]fs.FileMode{}, map[int]bool{}
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
		if len(l.all) <= maxListed {
			l.all = append(l.all, name)
		}
		if l.ignore != nil {
			ignored, by := l.ignore.Ignores(name)
			if by != nil {
				l.used[by.Range.Start] = true
			}
			if ignored {
				return nil // a later line of the ignore file may include files below it
			}
		}
		l.files[name] = d.Type()
		return nil
	})
	l.full = err == nil
}
