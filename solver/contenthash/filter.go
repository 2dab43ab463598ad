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

// taken is a node that a selector with patterns takes: of a directory only its
// own values, as what is in it is taken one by one.
type taken struct {
	name     string // as the selector has it: a link before the pattern stays
	node     *tree.Node
	included bool
	outer    bool // no directory above it was looked at
	include  patternmatcher.MatchInfo
	exclude  patternmatcher.MatchInfo
}

// walk is a search for what a selector with patterns takes.
type walk struct {
	s                Selector
	pattern          string // of the selector, cleaned; "" is the root
	include, exclude *patternmatcher.PatternMatcher
	found            []*taken
}

// filtered returns the digest of what a selector with patterns takes.
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

// Missing returns the first path that s needs and does not find in root: one that
// it requires, or a link that it follows to nothing. If there is none, it returns
// "".
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

// followed reports whether the digest of the node is that of what it leads to.
//
// Upstream: so it is for links that are not in a directory which was looked at,
// even where the copy takes the link itself.
func (t *taken) followed(s Selector) bool {
	return t.outer && s.FollowLinks && t.node.Kind() == tree.Symlink
}

// search finds what s selects in root. The prefix of the names found is not part
// of the digest.
func search(root *tree.Node, s Selector) (w *walk, prefix string, err error) {
	w = &walk{s: s, pattern: strings.TrimSuffix(s.Path, "/")}
	prefix, err = w.run(root)
	return w, prefix, err
}

// run searches root, and returns the prefix of the names that it found.
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
// Upstream: a path counts as found if anything is selected whose name begins
// with it, so /ab stands for /a.
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

// visit looks at a node and what is below it. base is the node that the pattern
// matched, if matched; above are the directories over it that were looked at.
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
	rootItself := name == w.pattern && w.s.Path == "/" // its own values do not count
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

// take takes a node, and the directories above it that are not taken yet.
func (w *walk) take(t *taken, above []*taken) {
	for _, dir := range append(above[:len(above):len(above)], t) {
		if !dir.included {
			dir.included = true
			w.found = append(w.found, dir)
		}
	}
}

// takes tells whether the patterns take a node.
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

// fixedPart returns the part of a pattern before the first part with a wildcard,
// and whether a link that it ends in is followed.
func fixedPart(pattern string) (prefix string, follow bool) {
	parts := strings.Split(pattern, "/")
	for i, p := range parts {
		if HasWildcard(p) {
			return strings.Join(parts[:i], "/"), true
		}
	}
	return pattern, false
}

// HasWildcard tells paths with wildcards; a backslash takes the next character as
// it is.
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
