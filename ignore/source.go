package ignore

import (
	"path"
	"strings"
)

// ExcludesSource reports whether the ignore file certainly excludes src, a source of COPY
// or ADD as written. It also returns src as a clean path. A nil Matcher excludes nothing.
//
// Upstream: if any rule starts with !, no source is reported, even if it is certainly
// excluded. Wildcards and leading slashes in src are matched literally. Only a pattern
// that matches everything excludes the root.
func (m *Matcher) ExcludesSource(src string) (name string, excluded bool) {
	name = path.Clean(src)
	if m == nil || m.hasInclude {
		return name, false
	}
	root := name == "." || name == "/"
	if root && !m.hasWildcard("*") && !m.hasWildcard("**") && !m.hasWildcard("**/*") {
		return name, false
	}
	for p := range withParents(name) {
		if len(p) <= m.longestName && m.names[p] {
			return name, true
		}
	}
	for _, match := range m.wildcards {
		if ignored, err := match.MatchesOrParentMatches(name); err == nil && ignored {
			return name, true
		}
	}
	return name, false
}

// hasWildcard reports whether the ignore file contains the given pattern. The pattern must
// have wildcards.
func (m *Matcher) hasWildcard(pattern string) bool { return m.wildcards[pattern] != nil }

// Steps returns an upper bound for the number of matching steps in a call of ExcludesSource
// with src: the number of patterns with wildcards, times the length of src, times the number of
// path elements in src. An additional step per byte of src is not included.
func (m *Matcher) Steps(src string) int {
	if m == nil || m.hasInclude {
		return 0
	}
	return len(m.wildcards) * len(src) * (1 + strings.Count(src, "/"))
}
