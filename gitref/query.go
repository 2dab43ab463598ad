package gitref

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// readQuery applies the options in the query. It reads the keys in alphabetical order, so
// that the first error is deterministic and "commit" overrides its synonym "checksum". It
// applies "branch" and "tag" last, because they may conflict with the other keys.
func (r *Ref) readQuery(query url.Values) error {
	var branch, tag string
	for _, key := range slices.Sorted(maps.Keys(query)) {
		value, err := singleValue(key, query[key])
		if err != nil {
			return err
		}
		switch key {
		case "branch":
			branch = value
		case "tag":
			tag = value
		default:
			err = r.setOption(key, value)
		}
		if err != nil {
			return err
		}
	}
	if tag != "" {
		if err := setConsistent("ref", &r.Ref, withPrefix("refs/tags/", tag)); err != nil {
			return err
		}
	}
	if branch == "" {
		return nil
	}
	if tag != "" {
		return errors.New("branch conflicts with tag")
	}
	return setConsistent("ref", &r.Ref, withPrefix("refs/heads/", branch))
}

// singleValue returns the value of the option key in a query. If the option occurs several
// times, it returns an error. A boolean option without a value is true, and any other option
// without a value is an error.
func singleValue(key string, values []string) (string, error) {
	if len(values) > 1 {
		return "", fmt.Errorf("query %q has multiple values", key)
	}
	if len(values) == 1 && values[0] != "" {
		return values[0], nil
	}
	switch key {
	case "submodules", "keep-git-dir", "fetch-by-commit":
		return "true", nil
	}
	return "", fmt.Errorf("query %q has no value", key)
}

// setOption sets the field of r for one option of a URL query. key is the name of the
// option, such as subdir.
func (r *Ref) setOption(key, value string) error {
	switch key {
	case "ref":
		return setConsistent(key, &r.Ref, value)
	case "subdir":
		return setConsistent(key, &r.SubDir, value)
	case "checksum", "commit":
		r.Checksum = value
		return nil
	case "mtime":
		if value != "checkout" && value != "commit" {
			return fmt.Errorf("invalid mtime value: %q (must be \"checkout\" or \"commit\")", value)
		}
		r.MTime = value
		return nil
	case "keep-git-dir", "submodules", "fetch-by-commit":
		on, err := strconv.ParseBool(value)
		if err != nil {
			return fmt.Errorf("invalid %s value: %q", key, value)
		}
		r.setSwitch(key, on)
		return nil
	}
	return fmt.Errorf("unexpected query %q", key)
}

// setSwitch sets a boolean option to the given value. The parameter key is the name of the
// option: keep-git-dir, submodules or fetch-by-commit.
func (r *Ref) setSwitch(key string, on bool) {
	switch key {
	case "keep-git-dir":
		r.KeepGitDir = &on
	case "submodules":
		r.Submodules = &on
	default:
		r.FetchByCommit = on
	}
}

// setConsistent sets *field to value. If *field already has a different value, it returns an
// error that contains the name of the option.
func setConsistent(option string, field *string, value string) error {
	if *field != "" && *field != value {
		return fmt.Errorf("%s conflicts: %q vs %q", option, *field, value)
	}
	*field = value
	return nil
}

// withPrefix returns name, with the prefix added if name does not start with it.
func withPrefix(prefix, name string) string {
	return prefix + strings.TrimPrefix(name, prefix)
}
