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

// pick is a file or directory that matches the source path of a copy, together with the
// entries in it that the include and exclude patterns of the copy select.
type pick struct {
	base string // last element of the matching path; the name of the copy in an existing directory
	*selectedNode
}

// selectedNode is a node of the source, together with the entries in it that the patterns
// of a copy select.
type selectedNode struct {
	node     *tree.Node
	path     string          // path in the source
	included bool            // whether the node itself is selected, and not only entries in it
	complete bool            // whether the node and everything below it are selected
	entries  []selectedEntry // selected entries, unless complete is set
}

// selectedEntry is an entry of a source directory that a copy selects completely or in
// part.
type selectedEntry struct {
	name string
	*selectedNode
}

// Select returns the files that the copy c reads from src. If the source path does not
// exist, it returns a [*NotFoundError], unless c permits wildcards without matches.
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
		n, err := src.Get(at)
		if err != nil {
			return nil, err
		}
		if n == nil {
			return nil, notFound(name, src)
		}
		p, err := f.pick(n, at, "", match{included: true})
		if err != nil {
			return nil, err
		}
		if p == nil {
			p = &selectedNode{node: n, path: at, included: true}
		}
		s.picks = append(s.picks, pick{base: path.Base(path.Clean("/" + name)), selectedNode: p})
	}
	return s, nil
}

// CheckRequired returns a [*NotFoundError] if c does not select one of its required paths
// in src.
//
// Upstream: BuildKit checks required paths only when it computes the cache key. It does not
// check them if c copies within one tree, because the key covers this tree completely.
func CheckRequired(src *tree.Node, c *pb.FileActionCopy) error {
	missing, err := contenthash.Missing(src, cachemap.CopySelector(c))
	if err == nil && missing != "" {
		err = notFound(missing, src)
	}
	return err
}

// notFound returns the error for name, a path that does not exist in src.
func notFound(name string, src *tree.Node) error {
	return &NotFoundError{Path: path.Clean("/" + name), Root: src}
}

// NotFoundError is the error for a source path of a copy that does not exist. Its text is
// the same as in BuildKit.
type NotFoundError struct {
	Path string     // absolute
	Root *tree.Node // root of the file system that was searched
	// Copying is set if the copy itself finds no file in BuildKit, because the cache key of the
	// operation does not depend on the content of the source. This is the case for copies within
	// a tree, and for sources without layers, such as scratch.
	Copying bool
}

// Error implements [error].
func (e *NotFoundError) Error() string {
	if e.Copying {
		return fmt.Sprintf("lstat %s: no such file or directory", e.Path)
	}
	return fmt.Sprintf("%q: not found", e.Path)
}

// Unwrap returns [fs.ErrNotExist].
func (e *NotFoundError) Unwrap() error { return fs.ErrNotExist }

// Digest returns a digest of the selected files for cache keys. It covers their paths,
// content and metadata except for times.
func (s *Selection) Digest() digest.Digest {
	var b strings.Builder
	for _, p := range s.picks {
		fmt.Fprintf(&b, "%q ", p.base)
		p.write(&b)
	}
	return digest.FromString(b.String())
}

// Files returns the selected files and directories, by their paths in the source. It
// returns the same errors as [tree.Node.Entries].
func (s *Selection) Files() (map[string]*tree.Node, error) {
	files := map[string]*tree.Node{}
	for _, p := range s.picks {
		if err := p.list(files); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// write writes a text to b that describes the node p and the selected nodes below it.
// [Selection.Digest] returns the digest of this text.
func (p *selectedNode) write(b *strings.Builder) {
	if p.complete || p.node.Kind() != tree.Dir {
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

// list adds the node p and the selected nodes below it to a map, whose keys are the paths of
// the nodes in the source.
func (p *selectedNode) list(files map[string]*tree.Node) error {
	if p.complete {
		return AddFiles(p.path, p.node, files)
	}
	files[p.path] = p.node
	for _, e := range p.entries {
		if err := e.list(files); err != nil {
			return err
		}
	}
	return nil
}

// AddFiles adds the node n and everything below it to a map from paths to nodes. The
// parameter at is the path of n. If n is nil, AddFiles does nothing. It returns the same
// errors as [tree.Node.Entries].
func AddFiles(at string, n *tree.Node, files map[string]*tree.Node) error {
	if n == nil {
		return nil
	}
	files[at] = n
	entries, err := n.Entries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := AddFiles(path.Join(at, e.Name), e.Node, files); err != nil {
			return err
		}
	}
	return nil
}

// filter selects files by the include and exclude patterns of a copy, as BuildKit does.
type filter struct {
	include, exclude *patternmatcher.PatternMatcher // nil without patterns
}

// newFilter returns the filter for the include and exclude patterns of a copy.
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

// match is the result of matching a path against a filter.
type match struct {
	included, excluded bool
	include, exclude   patternmatcher.MatchInfo // needed to match the paths below
}

// match matches a path against the include and exclude patterns, and returns which of them
// match. The parameter rel is the path, relative to the source path of the copy, and above
// is the result of match for the parent directory.
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

// pick returns the node n with the entries in it that the filter selects, or nil if the
// filter selects nothing. The parameter at is the path of n in the source, and rel is its
// path relative to the source path of the copy. The parameter m is the result of matching
// rel against the filter.
func (f filter) pick(n *tree.Node, at, rel string, m match) (*selectedNode, error) {
	p := &selectedNode{node: n, path: at, included: m.included}
	if f.include == nil && f.exclude == nil {
		p.complete = true
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
	entries, err := n.Entries()
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
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
			p.entries = append(p.entries, selectedEntry{e.Name, child})
		}
	}
	if !p.included && len(p.entries) == 0 {
		return nil, nil
	}
	return p, nil
}

// wildcard returns the sorted paths in the tree n that match a pattern such as /a/*/b. It
// follows symbolic links only in the elements before the first wildcard: in the example,
// only a link at /a. If follow is false, it does not follow a link in the last of these
// elements.
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
	dir, err := n.Get(at)
	if err != nil {
		return nil, err
	}
	if dir == nil {
		return nil, notFound(base, n)
	}
	var list []string
	err = glob(dir, at, parts[fixed:], &list)
	return list, err
}

// glob matches a pattern against the paths in the directory n, and appends the paths that
// match to a list. The parameter at is the path of n, and parts contains the elements of the
// pattern that apply below n.
func glob(n *tree.Node, at string, parts []string, list *[]string) error {
	entries, err := n.Entries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		ok, err := path.Match(parts[0], e.Name)
		if err != nil {
			return fmt.Errorf("pattern %q: %w", parts[0], err)
		}
		if !ok {
			continue
		}
		name := path.Join(at, e.Name)
		if len(parts) == 1 {
			*list = append(*list, name)
		} else if err := glob(e.Node, name, parts[1:], list); err != nil {
			return err
		}
	}
	return nil
}
