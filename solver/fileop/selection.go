package fileop

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/patternmatcher"
	"github.com/opencontainers/go-digest"

	"slipway/solver/cachemap"
	"slipway/solver/contenthash"
	"slipway/solver/tree"
)

// Selection is the set of files that a copy reads from its source.
type Selection struct{ picks []pick }

// pick is a path that matches the source of a copy.
type pick struct {
	base string // the last element as written: the name if it is copied into a directory
	*picked
}

// picked is a node of the source and the selected part of it.
type picked struct {
	node     *tree.Node
	path     string // path in the source
	included bool   // it is selected itself, and not only for its entries
	whole    bool   // everything in it is selected
	entries  []pickedEntry
}

type pickedEntry struct {
	name string
	*picked
}

// Select returns the files that a copy reads from src. A source that does not exist is an
// error, unless it has wildcards and may match nothing.
func Select(src *tree.Node, c *pb.FileActionCopy) (*Selection, error) {
	f, err := newFilter(c)
	if err != nil {
		return nil, err
	}
	names := []string{c.Src}
	if c.AllowWildcard && contenthash.HasWildcard(c.Src) {
		if names, err = wildcard(src, c.Src, c.FollowSymlink); err != nil {
			return nil, err
		}
		if len(names) == 0 && !c.AllowEmptyWildcard {
			return nil, notFound(c.Src, src)
		}
	}
	s := &Selection{}
	for _, name := range names {
		at, err := src.Resolve(path.Clean("/"+name), c.FollowSymlink)
		if err != nil {
			return nil, err
		}
		n := src.Get(at)
		if n == nil {
			return nil, notFound(name, src)
		}
		p, err := f.pick(n, at, "", match{included: true})
		if err != nil {
			return nil, err
		}
		if p == nil {
			p = &picked{node: n, path: at, included: true}
		}
		s.picks = append(s.picks, pick{base: path.Base(path.Clean("/" + name)), picked: p})
	}
	return s, nil
}

// CheckRequired returns an error if c does not select one of its required paths in src.
//
// Upstream: BuildKit checks this only when it computes cache keys. If c copies within its
// own input, whose key covers the whole tree, there is no check.
func CheckRequired(src *tree.Node, c *pb.FileActionCopy) error {
	missing, err := contenthash.Missing(src, cachemap.CopySelector(c))
	if err == nil && missing != "" {
		err = notFound(missing, src)
	}
	return err
}

// notFound returns an error worded as in BuildKit.
func notFound(name string, src *tree.Node) error {
	return &NotFoundError{Path: path.Clean("/" + name), Root: src}
}

// NotFoundError is the error for a source of a copy that does not exist.
type NotFoundError struct {
	Path string     // absolute
	Root *tree.Node // root of the file system that was searched
}

// Error implements [error].
func (e *NotFoundError) Error() string { return fmt.Sprintf("%q: not found", e.Path) }

// Unwrap makes the error match [fs.ErrNotExist].
func (e *NotFoundError) Unwrap() error { return fs.ErrNotExist }

// Digest returns the digest of the selected files. It does not cover times.
func (s *Selection) Digest() digest.Digest {
	var b strings.Builder
	for _, p := range s.picks {
		fmt.Fprintf(&b, "%q ", p.base)
		p.write(&b)
	}
	return digest.FromString(b.String())
}

// Files returns the selected files, by their paths in the source.
func (s *Selection) Files() map[string]*tree.Node {
	files := map[string]*tree.Node{}
	for _, p := range s.picks {
		p.list(files)
	}
	return files
}

func (p *picked) write(b *strings.Builder) {
	if p.whole || p.node.Kind() != tree.Dir {
		fmt.Fprintf(b, "%s\n", p.node.Digest())
		return
	}
	m := p.node.Meta()
	fmt.Fprintf(b, "dir %v %o %d %d %q\n", p.included, m.Mode, m.UID, m.GID, m.Xattrs)
	for _, e := range p.entries {
		fmt.Fprintf(b, "%q ", e.name)
		e.write(b)
	}
	b.WriteString("end\n")
}

func (p *picked) list(files map[string]*tree.Node) {
	if p.whole {
		AddFiles(p.path, p.node, files)
		return
	}
	files[p.path] = p.node
	for _, e := range p.entries {
		e.list(files)
	}
}

// AddFiles adds n and everything below it to files, by path. at is the path of n. If n is
// nil, AddFiles adds nothing.
func AddFiles(at string, n *tree.Node, files map[string]*tree.Node) {
	if n == nil {
		return
	}
	files[at] = n
	if n.Kind() == tree.Dir {
		for _, e := range n.Entries() {
			AddFiles(path.Join(at, e.Name), e.Node, files)
		}
	}
}

// filter selects files by patterns, as copies in BuildKit do.
type filter struct {
	include, exclude *patternmatcher.PatternMatcher
}

func newFilter(c *pb.FileActionCopy) (filter, error) {
	var f filter
	var err error
	if len(c.IncludePatterns) > 0 {
		if f.include, err = patternmatcher.New(c.IncludePatterns); err != nil {
			return f, fmt.Errorf("invalid include patterns %q: %w", c.IncludePatterns, err)
		}
	}
	if len(c.ExcludePatterns) > 0 {
		if f.exclude, err = patternmatcher.New(c.ExcludePatterns); err != nil {
			return f, fmt.Errorf("invalid exclude patterns %q: %w", c.ExcludePatterns, err)
		}
	}
	return f, nil
}

// match is the result of matching a path, with the state to match the paths below it.
type match struct {
	included, excluded bool
	include, exclude   patternmatcher.MatchInfo
}

func (f filter) match(rel string, above match) (m match, err error) {
	m.included = true
	if f.include != nil {
		if m.included, m.include, err = f.include.MatchesUsingParentResults(rel, above.include); err != nil {
			return m, err
		}
	}
	if f.exclude != nil {
		if m.excluded, m.exclude, err = f.exclude.MatchesUsingParentResults(rel, above.exclude); err != nil {
			return m, err
		}
	}
	m.included = m.included && !m.excluded
	return m, nil
}

// pick returns the part of a node that the patterns select, or nil if they select
// nothing. rel is the path relative to the copied one, and m is the match of rel.
func (f filter) pick(n *tree.Node, at, rel string, m match) (*picked, error) {
	p := &picked{node: n, path: at, included: m.included}
	if f.include == nil && f.exclude == nil {
		p.whole = true
		return p, nil
	}
	if n.Kind() != tree.Dir {
		if !m.included {
			return nil, nil
		}
		return p, nil
	}
	if m.excluded && !f.exclude.Exclusions() {
		return nil, nil
	}
	for _, e := range n.Entries() {
		name := path.Join(rel, e.Name)
		below, err := f.match(name, m)
		if err != nil {
			return nil, err
		}
		child, err := f.pick(e.Node, path.Join(at, e.Name), name, below)
		if err != nil {
			return nil, err
		}
		if child != nil {
			p.entries = append(p.entries, pickedEntry{e.Name, child})
		}
	}
	if !p.included && len(p.entries) == 0 {
		return nil, nil
	}
	return p, nil
}

// wildcard returns the paths of a tree that match a pattern, in order. If follow is true,
// symbolic links before the first wildcard are followed. Others are not.
func wildcard(n *tree.Node, pattern string, follow bool) ([]string, error) {
	parts := strings.Split(strings.Trim(path.Clean("/"+pattern), "/"), "/")
	fixed := 0
	for fixed < len(parts) && !contenthash.HasWildcard(parts[fixed]) {
		fixed++
	}
	base := strings.Join(parts[:fixed], "/")
	if fixed == len(parts) {
		return []string{base}, nil
	}
	at, err := n.Resolve(base, follow)
	if err != nil {
		return nil, err
	}
	dir := n.Get(at)
	if dir == nil {
		return nil, notFound(base, n)
	}
	var found []string
	err = glob(dir, at, parts[fixed:], &found)
	return found, err
}

func glob(n *tree.Node, at string, parts []string, found *[]string) error {
	if n == nil || n.Kind() != tree.Dir {
		return nil
	}
	for _, e := range n.Entries() {
		ok, err := path.Match(parts[0], e.Name)
		if err != nil {
			return fmt.Errorf("pattern %q: %w", parts[0], err)
		}
		if !ok {
			continue
		}
		name := path.Join(at, e.Name)
		if len(parts) == 1 {
			*found = append(*found, name)
		} else if err := glob(e.Node, name, parts[1:], found); err != nil {
			return err
		}
	}
	return nil
}
