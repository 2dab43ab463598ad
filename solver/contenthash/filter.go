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

// taken is a node that a selector with patterns selects. For a directory, only its
// metadata is hashed, because its entries are selected one by one.
type taken struct {
	name     string // as in the selector: a link before the pattern is not resolved
	node     *tree.Node
	included bool
	outer    bool // no directory above it matched
	include  patternmatcher.MatchInfo
	exclude  patternmatcher.MatchInfo
}

// walk is a search for the nodes that a selector with patterns selects.
type walk struct {
	s                Selector
	pattern          string // path of the selector, cleaned; "" is the root
	include, exclude *patternmatcher.PatternMatcher
	found            []*taken
}

// filtered returns the digest of the nodes that a selector with patterns selects.
func (h *Hasher) filtered(ctx context.Context, t Tree, s Selector) (digest.Digest, error) {
	w, prefix, err := search(t.Root, s)
	if err != nil {
		return "", err
	}
	if missing := w.missing(); missing != "" {
		return "", notFound(missing)
	}
	if len(w.found) == 0 {
		return empty, nil
	}
	digests := make([]digest.Digest, len(w.found))
	for i, f := range w.found {
		if digests[i], err = h.takenDigest(ctx, t, f, s); err != nil {
			return "", err
		}
	}
	if len(w.found) == 1 && path.Base(s.Path) == path.Base(w.found[0].name) {
		return digests[0], nil
	}
	sum := sha256.New()
	for i, f := range w.found {
		name := strings.TrimPrefix(f.name, prefix)
		if name == "" {
			name = "/"
		}
		row(sum, name, digests[i])
	}
	return digest.NewDigest(digest.SHA256, sum), nil
}

func (h *Hasher) takenDigest(ctx context.Context, t Tree, f *taken, s Selector) (digest.Digest, error) {
	if f.followed(s) {
		return h.at(ctx, t, f.name, true)
	}
	return h.header(ctx, f.node, t.Local && f.node == t.Root)
}

// Missing returns the first path that s needs and that root lacks: a required path, or a
// followed link whose target does not exist. If no path is missing, it returns "".
func Missing(root *tree.Node, s Selector) (string, error) {
	if !s.filters() {
		return "", nil
	}
	s.Path = path.Join("/", s.Path)
	w, _, err := search(root, s)
	if err != nil {
		return "", err
	}
	for _, f := range w.found {
		if !f.followed(s) {
			continue
		}
		at, err := root.Resolve(f.name, true)
		if err != nil {
			return "", err
		}
		if root.Get(at) == nil {
			return f.name, nil
		}
	}
	return w.missing(), nil
}

// followed reports whether the digest of the node is the digest of its link target.
//
// Upstream: this applies to links that are not below a matched directory, even if the
// copy copies the link itself.
func (t *taken) followed(s Selector) bool {
	return t.outer && s.FollowLinks && t.node.Kind() == tree.Symlink
}

// search finds the nodes that s selects in root. The prefix of their names is not part of
// the digest.
func search(root *tree.Node, s Selector) (w *walk, prefix string, err error) {
	w = &walk{s: s, pattern: strings.TrimSuffix(s.Path, "/")}
	prefix, err = w.run(root)
	return w, prefix, err
}

// run searches root. It returns the prefix of the names of the nodes that it finds.
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
	if n := root.Get(at); n != nil {
		base := ""
		if !w.s.Wildcard {
			base = w.pattern
		}
		err = w.visit(n, prefix, base, !w.s.Wildcard, nil)
	}
	return prefix, err
}

// missing returns the first required path that was not found, or "".
//
// Upstream: a path counts as found if a selected name begins with it. For example, /ab
// satisfies /a.
func (w *walk) missing() string {
	for _, want := range w.s.Required {
		if !slices.ContainsFunc(w.found, func(f *taken) bool { return strings.HasPrefix(f.name, want) }) {
			return want
		}
	}
	return ""
}

func matcher(what string, patterns []string) (*patternmatcher.PatternMatcher, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	m, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, fmt.Errorf("invalid %s patterns %q: %w", what, patterns, err)
	}
	return m, nil
}

// visit visits a node and everything below it. If matched is true, the path is base or
// below it, and base matched the pattern. above contains the matched directories above
// the node, without the root.
func (w *walk) visit(n *tree.Node, name, base string, matched bool, above []*taken) error {
	if !matched {
		ok, err := path.Match(w.pattern, name)
		if err != nil {
			return fmt.Errorf("pattern %q: %w", w.pattern, err)
		}
		if ok {
			base, matched = name, true
		}
	}
	rootItself := name == w.pattern && w.s.Path == "/" // its metadata is not hashed
	if matched && !rootItself {
		t := &taken{name: name, node: n, outer: len(above) == 0}
		ok, err := w.takes(t, strings.TrimPrefix(strings.TrimPrefix(name, base), "/"), above)
		if err != nil {
			return err
		}
		if ok {
			w.take(t, above)
		}
		if n.Kind() == tree.Dir {
			above = append(above[:len(above):len(above)], t)
		}
	}
	if n.Kind() != tree.Dir {
		return nil
	}
	for _, e := range n.Entries() {
		if err := w.visit(e.Node, name+"/"+e.Name, base, matched, above); err != nil {
			return err
		}
	}
	return nil
}

// take selects a node, and the directories above it that are not selected yet.
func (w *walk) take(t *taken, above []*taken) {
	for _, dir := range append(above[:len(above):len(above)], t) {
		if !dir.included {
			dir.included = true
			w.found = append(w.found, dir)
		}
	}
}

// takes reports whether the patterns select a node.
func (w *walk) takes(t *taken, rel string, above []*taken) (bool, error) {
	var parent taken
	if len(above) > 0 {
		parent = *above[len(above)-1]
	}
	var ok bool
	var err error
	if w.include != nil {
		if ok, t.include, err = w.include.MatchesUsingParentResults(rel, parent.include); err != nil || !ok {
			return false, err
		}
	}
	if w.exclude != nil {
		if ok, t.exclude, err = w.exclude.MatchesUsingParentResults(rel, parent.exclude); err != nil || ok {
			return false, err
		}
	}
	return true, nil
}

// fixedPart returns the part of a pattern before the first element with a wildcard, and
// reports whether a link at its end is followed.
func fixedPart(pattern string) (prefix string, follow bool) {
	parts := strings.Split(pattern, "/")
	for i, p := range parts {
		if HasWildcard(p) {
			return strings.Join(parts[:i], "/"), true
		}
	}
	return pattern, false
}

// HasWildcard reports whether a path contains wildcards. A backslash escapes the next
// character.
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
