package ignore

import (
	"path"
	"strings"
)

// ExcludesSource tells whether a source of COPY or ADD, as written, is certain
// not to be in the context, and the path that was looked for. A nil Matcher
// excludes nothing.
//
// Upstream: there is no answer if any rule keeps something, even where it is
// certain. Wildcards and leading slashes are matched as if they were parts of
// names, and the root is excluded by a pattern for everything only.
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

// Steps is how many steps ExcludesSource takes at most for a source, apart from
// one for each of its bytes.
func (m *Matcher) Steps(src string) int {
	if m == nil || m.keeps {
		return 0
	}
	return len(m.wild) * len(src) * (1 + strings.Count(src, "/"))
}
