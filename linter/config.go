package linter

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"slipway/diag"
)

// Config says which rules run, and whether their warnings are errors. The zero
// value runs all but the experimental ones.
type Config struct {
	Skip            map[string]bool // names; unknown ones mean nothing
	SkipAll         bool
	Experimental    map[string]bool // names of experimental rules to run
	ExperimentalAll bool
	Error           bool // a warning fails the build
}

// ParseConfig reads a configuration:
//
//	config = [ option { ";" option } ] .
//	option = "skip=" names | "experimental=" names | "error=" bool .
//	names = "all" | name { "," name } .
//
// Of an option that is repeated the last one counts.
//
// Upstream: there are at most three options; a fourth one is part of the third
// one's value.
func ParseConfig(s string) (Config, error) {
	var c Config
	if s = strings.TrimSpace(s); s == "" {
		return c, nil
	}
	for _, part := range strings.SplitN(s, ";", 3) {
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			return Config{}, fmt.Errorf("invalid check option %q", part)
		}
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch key {
		case "skip":
			setNames(value, &c.SkipAll, &c.Skip)
		case "experimental":
			setNames(value, &c.ExperimentalAll, &c.Experimental)
		case "error":
			var err error
			if c.Error, err = strconv.ParseBool(value); err != nil {
				return Config{}, fmt.Errorf("failed to parse check option %q: %w", part, err)
			}
		default:
			return Config{}, fmt.Errorf("invalid check option %q", key)
		}
	}
	return c, nil
}

// setNames reads the value of an option.
//
// Upstream: a later list does not take back an earlier "all".
func setNames(value string, all *bool, names *map[string]bool) {
	if value == "all" {
		*all = true
		return
	}
	*names = map[string]bool{}
	for name := range strings.SplitSeq(value, ",") {
		(*names)[strings.TrimSpace(name)] = true
	}
}

// Merge returns the configuration with what another one skips and enables in
// addition. Whether warnings are errors stays.
func (c Config) Merge(o Config) Config {
	c.SkipAll = c.SkipAll || o.SkipAll
	c.ExperimentalAll = c.ExperimentalAll || o.ExperimentalAll
	c.Skip = union(c.Skip, o.Skip)
	c.Experimental = union(c.Experimental, o.Experimental)
	return c
}

func union(a, b map[string]bool) map[string]bool {
	if len(b) == 0 {
		return a
	}
	m := maps.Clone(b)
	maps.Copy(m, a)
	return m
}

// Runs tells whether a rule is to run. Skipping is for those that are not
// experimental.
func (c Config) Runs(r *Rule) bool {
	if r.Experimental {
		return c.ExperimentalAll || c.Experimental[r.Name]
	}
	return !c.SkipAll && !c.Skip[r.Name]
}

// Violation returns the error for warnings that the configuration makes errors
// of; nil if it does not, or if there are none.
func (c Config) Violation(warnings diag.List) error {
	if !c.Error || len(warnings) == 0 {
		return nil
	}
	var names []string
	for _, d := range warnings {
		if !slices.Contains(names, d.Code) {
			names = append(names, d.Code)
		}
	}
	return fmt.Errorf("lint violation found for rules: %s", strings.Join(names, ", "))
}
