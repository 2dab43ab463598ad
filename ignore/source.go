package ignore

import (
	"path"
	"slices"
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
	if m == nil || slices.ContainsFunc(m.rules, func(r compiled) bool { return r.Keep }) {
		return name, false
	}
	root := name == "." || name == "/"
	if root && !slices.ContainsFunc(m.rules, func(r compiled) bool { return matchesAll(r.Pattern) }) {
		return name, false
	}
	return name, slices.ContainsFunc(m.rules, func(r compiled) bool { return r.applies(name) })
}

func matchesAll(pattern string) bool {
	return pattern == "*" || pattern == "**" || pattern == "**/*"
}
