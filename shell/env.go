package shell

import "strings"

// Env is a set of variables with case-sensitive names. During an expansion, Lookup must
// always return the same result for a name. Lookup may be called repeatedly for the same
// name, and for names whose value does not appear in the result.
type Env interface {
	// Lookup returns the value of a variable and whether it is set.
	Lookup(name string) (value string, set bool)
}

// Map is an Env that maps variable names to values. A nil Map has no variables.
type Map map[string]string

// Lookup implements Env.
func (m Map) Lookup(name string) (string, bool) {
	v, ok := m[name]
	return v, ok
}

// List is an Env of "name=value" entries, the format of image configs. If several entries
// have the same name, the last one is used. An entry without "=" sets the empty string.
// Lookup takes linear time.
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
