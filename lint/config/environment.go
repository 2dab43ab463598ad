package config

import (
	"fmt"
	"slices"
	"strings"

	"slipway/diag"
	"slipway/internal/suggest"
	"slipway/lint"
)

// Environment applies hadolint's variables, such as HADOLINT_IGNORE=DL3008,DL3018. The function
// env returns the values of variables, such as os.Getenv.
func (c *Config) Environment(env func(string) string, names Names) error {
	for _, f := range []func(func(string) string, Names) error{c.envFlags, c.envRules, c.envLists} {
		if err := f(env, names); err != nil {
			return err
		}
	}
	return nil
}

// envFlags applies the variables with one value.
func (c *Config) envFlags(env func(string) string, _ Names) error {
	for _, v := range []struct {
		name string
		to   *bool
	}{
		{"HADOLINT_NOFAIL", &c.NoFail},
		{"HADOLINT_STRICT_LABELS", &c.Settings.Rules.StrictLabels},
		{"HADOLINT_DISABLE_IGNORE_PRAGMA", &c.Settings.DisablePragmas},
	} {
		switch value := strings.ToLower(env(v.name)); {
		case value == "":
		case slices.Contains([]string{"1", "y", "yes", "on", "t", "true"}, value):
			*v.to = true
		case slices.Contains([]string{"0", "n", "no", "off", "f", "false"}, value):
			*v.to = false
		default:
			return fmt.Errorf("%s: invalid value %q (want true or false)", v.name, value)
		}
	}
	if value := env("HADOLINT_FAILURE_THRESHOLD"); value != "" {
		s, ok := Severity(value)
		switch {
		case value == "none":
			c.NoFail = true
		case !ok || s == lint.Off:
			return fmt.Errorf("HADOLINT_FAILURE_THRESHOLD: unknown severity %q (want error, warning, info, style or none)", value)
		default:
			c.FailOn = &s
		}
	}
	if value := env("HADOLINT_FORMAT"); value != "" {
		if !isFormat(value) {
			return fmt.Errorf("HADOLINT_FORMAT: invalid format %q", value)
		}
		c.Formats = []string{value}
	}
	return nil
}

// envRules applies the variables with lists of rules.
func (c *Config) envRules(env func(string) string, names Names) error {
	for _, v := range []struct {
		name     string
		severity diag.Severity
	}{
		{"HADOLINT_OVERRIDE_ERROR", diag.Error},
		{"HADOLINT_OVERRIDE_WARNING", diag.Warning},
		{"HADOLINT_OVERRIDE_INFO", diag.Info},
		{"HADOLINT_OVERRIDE_STYLE", diag.Style},
		{"HADOLINT_IGNORE", lint.Off},
	} {
		for _, name := range commaList(env(v.name)) {
			found := names.Expand(name)
			if len(found) == 0 {
				return fmt.Errorf("%s: unknown rule %q%s", v.name, name, suggest.Hint(name, names.Names(), true))
			}
			for _, n := range found {
				c.Settings.Severity[n] = v.severity
			}
		}
	}
	return nil
}

// envLists applies the variables about registries and labels.
func (c *Config) envLists(env func(string) string, _ Names) error {
	if list := commaList(env("HADOLINT_TRUSTED_REGISTRIES")); len(list) > 0 {
		c.Settings.Rules.Registries = list
	}
	for _, spec := range commaList(env("HADOLINT_REQUIRE_LABELS")) {
		key, kind, ok := strings.Cut(spec, ":")
		if !ok || !slices.Contains(LabelTypes(), kind) {
			return fmt.Errorf("HADOLINT_REQUIRE_LABELS: invalid label %q (want KEY:TYPE with a type of %s)", spec, strings.Join(LabelTypes(), ", "))
		}
		c.Settings.Rules.Labels = append(c.Settings.Rules.Labels, lint.Label{Key: key, Type: kind})
	}
	return nil
}

// commaList returns the items of a list with commas, without white space and empty items.
func commaList(s string) []string {
	var list []string
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}
