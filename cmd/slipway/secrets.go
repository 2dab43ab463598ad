package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
)

// secretSource is a value of --secret. It names the file or the environment variable that
// contains the secret.
type secretSource struct{ flag, id, src, env string }

// parseSecrets parses the values of --secret, without reading the secrets.
func parseSecrets(list []string) ([]secretSource, error) {
	var sources []secretSource
	for _, flag := range list {
		s, kind := secretSource{flag: flag}, ""
		for field := range strings.SplitSeq(flag, ",") {
			k, v, _ := strings.Cut(field, "=")
			switch strings.ToLower(k) {
			case "id":
				s.id = v
			case "src", "source":
				s.src = v
			case "env":
				s.env = v
			case "type":
				kind = v
			default:
				return nil, fmt.Errorf("--secret %s: unknown field %q (use id, src, env or type)", flag, k)
			}
		}
		switch kind {
		case "", "file":
		case "env":
			s.src, s.env = "", cmp.Or(s.env, s.src) // as docker build reads src of type=env
		default:
			return nil, fmt.Errorf("--secret %s: unknown type %q (use file or env)", flag, kind)
		}
		if s.id == "" {
			return nil, fmt.Errorf("--secret %s has no id", flag)
		}
		sources = append(sources, s)
	}
	return sources, nil
}

// read returns the secret. The user may specify its source, the file src or the environment
// variable env. Without a source, the secret comes from the environment variable with the name
// id or, if this variable does not exist, from the file with the name id.
func (s *secretSource) read(ctx context.Context) ([]byte, error) {
	if s.src == "" {
		name := cmp.Or(s.env, s.id)
		switch v, ok := os.LookupEnv(name); {
		case ok && len(v) > maxSecret:
			return nil, tooLarge("$"+name, maxSecret)
		case ok:
			return []byte(v), nil
		case s.env != "":
			return nil, fmt.Errorf("the environment has no %s", s.env)
		}
	}
	return readFlagFile(ctx, cmp.Or(s.src, s.id), maxSecret)
}
