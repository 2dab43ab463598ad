package ignore

import (
	"path"
	"strings"
)

// Ignores reports whether the path itself is excluded. It also returns the
// decisive rule, or nil if no rule applies. The path is relative to the context
// and uses slashes. The root of the context is never excluded.
func (m *Matcher) Ignores(name string) (bool, *Rule) {
	name = clean(name)
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

// clean makes a path relative to the root of the context.
func clean(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		return "."
	}
	return name
}
