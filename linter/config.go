package linter

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"slipway/diag"
	"slipway/internal/suggest"
)

// Config selects the rules to run, and whether their warnings fail the build. The zero value
// runs all rules except experimental rules, and lets builds with warnings succeed.
type Config struct {
	Skip            map[string]bool // names of rules not to run; unknown names are ignored
	SkipAll         bool
	Experimental    map[string]bool // names of experimental rules to run
	ExperimentalAll bool
	Error           bool // whether a warning fails the build
}

// ConfigError is an error in the text of a configuration.
type ConfigError struct {
	Start, End int    // byte offsets of the invalid option or value in the text
	Hint       string // what to write instead
	Err        error  // the underlying error, with upstream's text
}

// Error implements error with upstream's text.
func (e *ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns the underlying error.
func (e *ConfigError) Unwrap() error { return e.Err }

// ParseConfig parses a configuration, such as the value of # check=:
//
//	config = [ option { ";" option } ] .
//	option = "skip=" names | "experimental=" names | "error=" bool .
//	names = "all" | name { "," name } .
//
// If an option occurs several times, its last occurrence is used. Errors have the type
// *[ConfigError].
//
// Upstream: only the first two semicolons separate options, so a fourth option becomes part of
// the value of the third option.
func ParseConfig(text string) (Config, error) {
	var c Config
	s := strings.TrimSpace(text)
	if s == "" {
		return c, nil
	}
	next := strings.Index(text, s)
	for _, part := range strings.SplitN(s, ";", 3) {
		start, end := next, next+len(part)
		next = end + 1
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			return Config{}, &ConfigError{start, end, optionHint(part), fmt.Errorf("invalid check option %q", part)}
		}
		nameEnd, valueStart := start+len(key), start+len(key)+1
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch key {
		case "skip":
			setNames(value, &c.SkipAll, &c.Skip)
		case "experimental":
			setNames(value, &c.ExperimentalAll, &c.Experimental)
		case "error":
			var err error
			if c.Error, err = strconv.ParseBool(value); err != nil {
				return Config{}, &ConfigError{valueStart, end, "error takes true or false", fmt.Errorf("failed to parse check option %q: %w", part, err)}
			}
		default:
			return Config{}, &ConfigError{start, nameEnd, optionHint(key), fmt.Errorf("invalid check option %q", key)}
		}
	}
	return c, nil
}

// optionHint returns the hint in the error for an invalid option, such as "did you mean
// skip=?".
func optionHint(option string) string {
	name := strings.TrimSpace(option)
	match, ok := suggest.Search(name, []string{"skip", "experimental", "error"}, false)
	switch {
	case ok:
		return "did you mean " + match + "=?"
	case slices.Contains([]string{"skip", "experimental", "error"}, name):
		return "a value follows " + name + "="
	case name == "all":
		return "did you mean skip=all?"
	}
	return "want skip=NAMES, experimental=NAMES or error=BOOL, separated by ;"
}

// setNames parses the value of the option skip or experimental. If the value is "all", it sets
// the flag *all to true. Otherwise, the value is a list of rule names, and setNames stores
// these names in *names.
//
// Upstream: a list of names does not override an earlier "all".
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

// Merge returns a copy of the configuration c that also skips and enables the rules that
// the configuration o skips and enables. It ignores o.Error.
func (c Config) Merge(o Config) Config {
	c.SkipAll = c.SkipAll || o.SkipAll
	c.ExperimentalAll = c.ExperimentalAll || o.ExperimentalAll
	c.Skip = union(c.Skip, o.Skip)
	c.Experimental = union(c.Experimental, o.Experimental)
	return c
}

// union returns the union of two sets, without modifying them.
func union(a, b map[string]bool) map[string]bool {
	if len(b) == 0 {
		return a
	}
	m := maps.Clone(b)
	maps.Copy(m, a)
	return m
}

// Runs reports whether the rule r runs with this configuration. The option skip does not
// apply to experimental rules.
func (c Config) Runs(r *Rule) bool {
	if r.Experimental {
		return c.ExperimentalAll || c.Experimental[r.Name]
	}
	return !c.SkipAll && !c.Skip[r.Name]
}

// Violation returns an error that lists the names of the rules that reported the warnings. It
// returns nil if c.Error is false or if there are no warnings.
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
