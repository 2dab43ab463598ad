package ignore

import (
	"iter"
	"path"
	"slices"
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

// Rules returns an iterator over the rules of the ignore file in order.
func (m *Matcher) Rules() iter.Seq[*Rule] {
	return func(yield func(*Rule) bool) {
		for i := range m.rules {
			r := m.rules[i].Rule
			if !yield(&r) {
				return
			}
		}
	}
}

// Matches reports whether the pattern of a rule of the ignore file matches a path or one of its
// parent directories, whatever other rules decide. The rule must come from m.
func (m *Matcher) Matches(r *Rule, name string) bool {
	i := slices.IndexFunc(m.rules, func(c compiledRule) bool { return c.Range == r.Range })
	return i >= 0 && m.rules[i].applies(cleanPath(name))
}

// cleanPath returns the clean form of name, relative to the root of the context.
func cleanPath(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		return "."
	}
	return name
}
