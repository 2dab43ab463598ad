package ignore

import (
	"path"
	"strings"
)

// Ignores reports whether the ignore file excludes a path. It also returns the decisive
// rule, or nil if no rule matches. The parameter name is the path, relative to the context
// and with slashes. The root of the context is never excluded.
func (m *Matcher) Ignores(name string) (bool, *Rule) {
	name = cleanPath(name)
	if name == "." {
		return false, nil
	}
	ignored, by := m.decide(name)
	if by < 0 {
		return ignored, nil
	}
	r := m.rules[by].Rule
	return ignored, &r
}

// cleanPath returns the clean form of name, relative to the root of the context.
func cleanPath(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		return "."
	}
	return name
}
