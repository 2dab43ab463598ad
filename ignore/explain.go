package ignore

import (
	"path"
	"strings"
)

// Verdict is what is left of a path and all below it.
type Verdict int

// The verdicts.
const (
	Kept    Verdict = iota // all of it is in the context
	Ignored                // nothing of it is
	Partly                 // that depends on the names below it
)

// String returns the verdict as a word in lower case.
func (v Verdict) String() string {
	switch v {
	case Ignored:
		return "ignored"
	case Partly:
		return "partly"
	}
	return "kept"
}

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

// Tree tells what is left of a path and all that may be below it. Kept and
// Ignored are certain; Partly is said too where a rule only might apply, as
// with character classes.
func (m *Matcher) Tree(name string) Verdict {
	name = clean(name)
	ignored, by := false, -1
	var parts []string
	if name != "." {
		ignored, by = m.decide(name)
		parts = strings.Split(name, "/")
	}
	// What comes before the rule that decided is overruled below, too.
	for _, r := range m.rules[by+1:] {
		if r.Keep == ignored && reachesBelow(r.Pattern, parts) {
			return Partly
		}
	}
	if ignored {
		return Ignored
	}
	return Kept
}

// reachesBelow tells whether a pattern might match something strictly below
// the directory.
func reachesBelow(pattern string, dir []string) bool {
	parts := strings.Split(pattern, "/")
	for i, part := range parts {
		// These match across slashes.
		if strings.Contains(part, "**") || strings.Contains(part, "[") {
			return true
		}
		if i == len(dir) {
			return true
		}
		if ok, err := path.Match(part, dir[i]); err == nil && !ok {
			return false
		}
	}
	return false
}

// clean makes a path relative to the root of the context.
func clean(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		return "."
	}
	return name
}
