package launch

import "strings"

// Environ returns env, the environment of a process, without duplicate variables. If a
// variable is set several times, only its last value remains, as in runc. The kernel would
// pass all values, and C libraries use the first value. If env does not set HOME, Environ sets
// it to the given home directory.
func Environ(env []string, home string) []string {
	var list []string
	at := map[string]int{}
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		if i, ok := at[name]; ok {
			list[i] = kv
			continue
		}
		at[name] = len(list)
		list = append(list, kv)
	}
	if _, ok := at["HOME"]; !ok {
		list = append(list, "HOME="+home)
	}
	return list
}

// getenv returns the value of a variable in env, a list of NAME=VALUE. If the variable
// is not set, getenv returns "".
func getenv(env []string, name string) string {
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}
