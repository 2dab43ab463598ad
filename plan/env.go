package plan

import (
	"slices"
	"strings"
)

// Env is an immutable, ordered set of variables. Set returns a new Env. Setting a
// variable again moves it to the end, as in LLB. The zero value is empty.
//
// All versions of an environment share one append-only log of assignments. A thousand ENV
// instructions therefore do not copy the environment a thousand times. Not safe for
// concurrent use, even through different versions.
type Env struct {
	log  *envLog
	n    int // the number of log entries that this version includes
	set  int // the number of variables that are set
	size int // total bytes of the names and values
}

// envLog is a list of assignments in order. keys[i] is the name and values[i] the value
// of assignment i.
type envLog struct {
	keys, values []string
	at           map[string][]int // name → ascending indexes of its assignments; nil while the log has at most shortLog entries
}

// shortLog is the maximum number of assignments for which Env searches the log linearly
// instead of building an index.
const shortLog = 24

// add appends an assignment to the log.
func (l *envLog) add(key, value string) {
	l.keys = append(l.keys, key)
	l.values = append(l.values, value)
	switch n := len(l.keys); {
	case l.at != nil:
		l.at[key] = append(l.at[key], n-1)
	case n > shortLog:
		l.at = make(map[string][]int, 2*n)
		for i, k := range l.keys {
			l.at[k] = append(l.at[k], i)
		}
	}
}

// NewEnv returns the environment for KEY=VALUE entries, the format of image configs. An
// entry without = sets the empty string.
func NewEnv(entries []string) Env {
	e := Env{}
	for _, kv := range entries {
		k, v, _ := strings.Cut(kv, "=")
		e = e.Set(k, v)
	}
	return e
}

// Lookup returns the value of a variable and whether it is set.
func (e Env) Lookup(key string) (string, bool) {
	i := e.index(key)
	if i < 0 {
		return "", false
	}
	return e.log.values[i], true
}

// index returns the log index of the assignment that sets the variable key in this
// version of the environment, or -1 if the variable is not set.
func (e Env) index(key string) int {
	if e.log == nil {
		return -1
	}
	if e.log.at == nil {
		for i := e.n - 1; i >= 0; i-- {
			if e.log.keys[i] == key {
				return i
			}
		}
		return -1
	}
	at := e.log.at[key]
	k := len(at)
	if k > 0 && at[k-1] >= e.n {
		k, _ = slices.BinarySearch(at, e.n)
	}
	if k == 0 {
		return -1
	}
	return at[k-1]
}

// Set returns a new environment in which the variable key has the given value and comes
// last.
func (e Env) Set(key, value string) Env {
	// A log that consists mostly of overwritten assignments is copied without them.
	if e.log == nil || len(e.log.keys) != e.n || e.n > 2*e.set+64 {
		e = e.Fork()
	}
	l := e.log
	if i := e.index(key); i >= 0 {
		e.size -= len(key) + len(l.values[i])
	} else {
		e.set++
	}
	l.add(key, value)
	return Env{log: l, n: len(l.keys), set: e.set, size: e.size + len(key) + len(value)}
}

// Fork returns a copy of the environment that has its own log. The new log omits overwritten
// assignments.
func (e Env) Fork() Env {
	room := e.set + 12 // the predefined variables, or a few more
	both := make([]string, 2*room)
	l := &envLog{keys: both[:0:room], values: both[room:room]}
	e.Each(l.add)
	return Env{log: l, n: len(l.keys), set: e.set, size: e.size}
}

// Without returns a new environment that lacks the variable key.
func (e Env) Without(key string) Env {
	var out Env
	e.Each(func(k, v string) {
		if k != key {
			out = out.Set(k, v)
		}
	})
	return out
}

// Each calls f for each variable, in order.
func (e Env) Each(f func(key, value string)) {
	for i := range e.n {
		if k := e.log.keys[i]; e.index(k) == i {
			f(k, e.log.values[i])
		}
	}
}

// Keys returns the names of the variables, in order.
func (e Env) Keys() []string {
	keys := make([]string, 0, e.set)
	e.Each(func(k, _ string) { keys = append(keys, k) })
	return keys
}

// Entries returns the variables in order as KEY=VALUE, the format of a process
// environment.
func (e Env) Entries() []string {
	entries := make([]string, 0, e.set)
	e.Each(func(k, v string) { entries = append(entries, k+"="+v) })
	return entries
}
