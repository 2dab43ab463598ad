package shell

import "strings"

// Env is a set of variables with case-sensitive names. Lookup must return the
// same result for a name during an expansion: it may be called repeatedly, and
// for names whose value is eventually unused.
type Env interface {
	// Lookup returns the value of a variable and whether it is set.
	Lookup(name string) (value string, set bool)
}

// Map is an Env with a map of values. A nil Map has no variables.
type Map map[string]string

// Lookup implements Env.
func (m Map) Lookup(name string) (string, bool) {
	v, ok := m[name]
	return v, ok
}

// List is an Env of "name=value" entries, as in image configs. If a name is
// repeated, the last entry wins. An entry without "=" is set to the empty
// string. Lookup takes linear time.
type List []string

// Lookup implements Env.
func (l List) Lookup(name string) (string, bool) {
	for i := len(l) - 1; i >= 0; i-- {
		if k, v, _ := strings.Cut(l[i], "="); k == name {
			return v, true
		}
	}
	return "", false
}
