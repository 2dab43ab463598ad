package shell

import "strings"

// Env is a set of variables. Lookup must give the same answer for a name as
// long as an expansion runs: it may be asked more than once, and for names
// whose value is not used in the end. Names are case-sensitive.
type Env interface {
	// Lookup returns the value of a variable and whether it is set.
	Lookup(name string) (value string, set bool)
}

// Map is an Env by name. A nil Map has no variables.
type Map map[string]string

// Lookup implements Env.
func (m Map) Lookup(name string) (string, bool) {
	v, ok := m[name]
	return v, ok
}

// List is an Env of "name=value" entries, as image configs hold them. The last
// entry of a name counts; an entry without "=" is set and empty. Lookup takes
// time in proportion to the length.
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
