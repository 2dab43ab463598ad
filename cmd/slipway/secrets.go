package main

import (
	"cmp"
	"fmt"
	"os"
	"strings"
)

// secrets reads the secrets that flags name: of a file, or of a variable.
func secrets(list []string) (map[string][]byte, error) {
	m := map[string][]byte{}
	for _, s := range list {
		var id, kind, src, env string
		for field := range strings.SplitSeq(s, ",") {
			k, v, _ := strings.Cut(field, "=")
			switch strings.ToLower(k) {
			case "id":
				id = v
			case "src", "source":
				src = v
			case "env":
				env = v
			case "type":
				kind = v
			default:
				return nil, fmt.Errorf("--secret %s: unknown field %q, there are id, src, env and type", s, k)
			}
		}
		switch kind {
		case "", "file":
		case "env":
			src, env = "", cmp.Or(env, src) // as docker build reads src of type=env
		default:
			return nil, fmt.Errorf("--secret %s: unknown type %q, there are file and env", s, kind)
		}
		if id == "" {
			return nil, fmt.Errorf("--secret %s has no id", s)
		}
		data, err := secret(id, src, env)
		if err != nil {
			return nil, fmt.Errorf("--secret %s: %w", s, err)
		}
		m[id] = data
	}
	return m, nil
}

// secret reads a secret. Without a source it is a variable of its name or, if
// there is none, a file.
func secret(id, src, env string) ([]byte, error) {
	if src == "" {
		if v, ok := os.LookupEnv(cmp.Or(env, id)); ok {
			return []byte(v), nil
		}
		if env != "" {
			return nil, fmt.Errorf("the environment has no %s", env)
		}
	}
	return os.ReadFile(cmp.Or(src, id))
}
