package contenthash

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/opencontainers/go-digest"

	"slipway/solver/tree"
)

// candidate is a node at or below a path that matches Selector.Path. Include and exclude
// patterns decide whether it is selected. If a directory is selected, the digest covers
// only its metadata, because the entries are candidates of their own.
type candidate struct {
	name     string // path; symbolic links in the path of the selector are not resolved
	node     *tree.Node
	selected bool
	outer    bool // whether no parent directory is a candidate
	include  patternmatcher.MatchInfo
	exclude  patternmatcher.MatchInfo
}

// walk is a search for the nodes that a selector with patterns selects.
type walk struct {
	s                Selector
	pattern          string // clean path of the selector; "" is the root
	include, exclude *patternmatcher.PatternMatcher
	results          []*candidate // the selected nodes, in order
}

// filtered returns the digest of the files in t that s selects. s must be a selector with
// patterns.
func (h *Hasher) filtered(ctx context.Context, t Tree, s Selector) (digest.Digest, error) {
	w, prefix, err := search(t.Root, s)
	if err != nil {
		return "", err
	}
	if missing := w.missing(); missing != "" {
		return "", notFound(missing)
	}
	if len(w.results) == 0 {
		return empty, nil
	}
	digests := make([]digest.Digest, len(w.results))
	for i, f := range w.results {
		if digests[i], err = h.resultDigest(ctx, t, f, s); err != nil {
			return "", err
		}
	}
	if len(w.results) == 1 && path.Base(s.Path) == path.Base(w.results[0].name) {
		return digests[0], nil
	}
	sum := sha256.New()
	for i, f := range w.results {
		name := strings.TrimPrefix(f.name, prefix)
		if name == "" {
			name = "/"
		}
		row(sum, name, digests[i])
	}
	return digest.NewDigest(digest.SHA256, sum), nil
}

// resultDigest returns the digest of f, a node that the selector s selects: for a
// directory, the digest of its metadata; for a followed symbolic link, the digest of its
// target; for any other node, the digest of the file.
func (h *Hasher) resultDigest(ctx context.Context, t Tree, f *candidate, s Selector) (digest.Digest, error) {
	if f.followed(s) {
		return h.at(ctx, t, f.name, true)
	}
	return h.header(ctx, f.node, t.Local && f.node == t.Root)
}

// Missing returns the first symbolic link that s follows but that has no target in
// root. If there is no such link, Missing returns the first required path that s does
// not select. If nothing is missing, or if s has no patterns, it returns "".
func Missing(root *tree.Node, s Selector) (string, error) {
	if !s.filters() {
		return "", nil
	}
	s.Path = path.Join("/", s.Path)
	w, _, err := search(root, s)
	if err != nil {
		return "", err
	}
	for _, f := range w.results {
		if !f.followed(s) {
			continue
		}
		at, err := root.Resolve(f.name, true)
		if err != nil {
			return "", err
		}
		n, err := root.Get(at)
		if err != nil {
			return "", err
		}
		if n == nil {
			return f.name, nil
		}
	}
	return w.missing(), nil
}

// followed reports whether the digest covers the target of the symbolic link c instead of
// the link. It returns false if c is not a symbolic link, or if the selector s does not
// follow links.
//
// Upstream: links are followed unless they are below another matched path, even if the
// COPY itself preserves links.
func (c *candidate) followed(s Selector) bool {
	return c.outer && s.FollowLinks && c.node.Kind() == tree.Symlink
}

// search finds the nodes that the selector s selects in the tree with the given root. The
// returned walk contains them in its field results. The path of each result starts with the
// returned prefix: the elements of Selector.Path before the first wildcard. Digests do not
// cover this prefix.
func search(root *tree.Node, s Selector) (w *walk, prefix string, err error) {
	w = &walk{s: s, pattern: strings.TrimSuffix(s.Path, "/")}
	prefix, err = w.run(root)
	return w, prefix, err
}

// run finds the nodes that the selector w.s selects in the tree with the given root, and
// appends them to w.results. The path of each result starts with the returned prefix: the
// elements of Selector.Path before the first wildcard.
func (w *walk) run(root *tree.Node) (prefix string, err error) {
	if w.include, err = matcher("include", w.s.Include); err != nil {
		return "", err
	}
	if w.exclude, err = matcher("exclude", w.s.Exclude); err != nil {
		return "", err
	}
	prefix, last := w.pattern, false
	if w.s.Wildcard {
		prefix, last = fixedPart(w.pattern)
	}
	at, err := root.Resolve(prefix, last)
	if err != nil {
		return "", err
	}
	n, err := root.Get(at)
	if n != nil {
		base := ""
		if !w.s.Wildcard {
			base = w.pattern
		}
		err = w.visit(n, prefix, base, !w.s.Wildcard, nil)
	}
	return prefix, err
}

// missing returns the first path in Selector.Required that the search did not select. If it
// selected all of them, missing returns "".
//
// Upstream: a required path counts as selected if the name of a result starts with it. For
// example, the result /ab satisfies /a.
func (w *walk) missing() string {
	for _, want := range w.s.Required {
		if !slices.ContainsFunc(w.results, func(f *candidate) bool { return strings.HasPrefix(f.name, want) }) {
			return want
		}
	}
	return ""
}

// matcher returns a matcher for patterns, or nil if patterns is empty. The parameter kind
// is "include" or "exclude", and names the patterns in error messages.
func matcher(kind string, patterns []string) (*patternmatcher.PatternMatcher, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	m, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, fmt.Errorf("invalid %s patterns %q: %w", kind, patterns, err)
	}
	return m, nil
}

// visit searches the node n and everything below it for nodes that the selector selects.
// The parameter name is the path of n. If matched is true, the selector's path pattern
// matches base, which is the path of n or of one of its parent directories. The parameter
// above contains the candidates for the parent directories of n, outermost first.
func (w *walk) visit(n *tree.Node, name, base string, matched bool, above []*candidate) error {
	if !matched {
		ok, err := path.Match(w.pattern, name)
		if err != nil {
			return fmt.Errorf("pattern %q: %w", w.pattern, err)
		}
		if ok {
			base, matched = name, true
		}
	}
	isRoot := name == w.pattern && w.s.Path == "/" // the digest does not cover its metadata
	if matched && !isRoot {
		c := &candidate{name: name, node: n, outer: len(above) == 0}
		ok, err := w.matches(c, strings.TrimPrefix(strings.TrimPrefix(name, base), "/"), above)
		if err != nil {
			return err
		}
		if ok {
			w.add(c, above)
		}
		if n.Kind() == tree.Dir {
			above = append(above[:len(above):len(above)], c)
		}
	}
	entries, err := n.Entries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := w.visit(e.Node, name+"/"+e.Name, base, matched, above); err != nil {
			return err
		}
	}
	return nil
}

// add appends the candidate c to the results of the walk. The parameter above contains the
// candidates for the parent directories of c. If some of them are not results yet, add
// appends them first.
func (w *walk) add(c *candidate, above []*candidate) {
	for _, dir := range append(above[:len(above):len(above)], c) {
		if !dir.selected {
			dir.selected = true
			w.results = append(w.results, dir)
		}
	}
}

// matches reports whether the include and exclude patterns select the candidate c. The
// parameter rel is the path of c relative to the file or directory that Selector.Path
// matches. The parameter above contains the candidates for the parent directories of c.
func (w *walk) matches(c *candidate, rel string, above []*candidate) (bool, error) {
	var parent candidate
	if len(above) > 0 {
		parent = *above[len(above)-1]
	}
	var ok bool
	var err error
	if w.include != nil {
		if ok, c.include, err = w.include.MatchesUsingParentResults(rel, parent.include); err != nil || !ok {
			return false, err
		}
	}
	if w.exclude != nil {
		if ok, c.exclude, err = w.exclude.MatchesUsingParentResults(rel, parent.exclude); err != nil || ok {
			return false, err
		}
	}
	return true, nil
}

// fixedPart returns the elements of a path pattern before the first wildcard, such as /a
// for /a/*/b. The result follow is true if the pattern has a wildcard. In this case only, a
// symbolic link at the end of the prefix is followed.
func fixedPart(pattern string) (prefix string, follow bool) {
	parts := strings.Split(pattern, "/")
	for i, p := range parts {
		if HasWildcard(p) {
			return strings.Join(parts[:i], "/"), true
		}
	}
	return pattern, false
}

// HasWildcard reports whether a path contains one of the wildcards *, ? and [ without a
// backslash before it.
func HasWildcard(s string) bool {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '*', '?', '[':
			return true
		case '\\':
			i++
		}
	}
	return false
}
