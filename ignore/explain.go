package ignore

import (
	"path"
	"strings"
)

// Ignores tells whether the path itself is left out, and the rule that
// decided; nil if none applies. The path is relative to the context, with
// slashes; the context's root is never ignored.
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
