package ignore

import (
	"path"
	"strings"
)

// ExcludesSource reports whether a source of COPY or ADD, as written, is
// certainly excluded from the context. It also returns the path that was
// matched. A nil Matcher excludes nothing.
//
// Upstream: if any rule starts with !, no source is reported, even if it is
// certainly excluded. Wildcards and leading slashes of the source are matched
// literally, and only a pattern that matches everything excludes the root.
func (m *Matcher) ExcludesSource(src string) (name string, excluded bool) {
	name = path.Clean(src)
	if m == nil || m.keeps {
		return name, false
	}
	root := name == "." || name == "/"
	if root && !m.wildcard("*") && !m.wildcard("**") && !m.wildcard("**/*") {
		return name, false
	}
	for p := range withParents(name) {
		if len(p) <= m.long && m.names[p] {
			return name, true
		}
	}
	for _, match := range m.wild {
		if ignored, err := match.MatchesOrParentMatches(name); err == nil && ignored {
			return name, true
		}
	}
	return name, false
}

func (m *Matcher) wildcard(pattern string) bool { return m.wild[pattern] != nil }

// Steps returns an upper bound of the steps that ExcludesSource takes for a
// source, in addition to one per byte.
func (m *Matcher) Steps(src string) int {
	if m == nil || m.keeps {
		return 0
	}
	return len(m.wild) * len(src) * (1 + strings.Count(src, "/"))
}
