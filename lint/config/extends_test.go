package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway/diag"
	"slipway/lint"
	"slipway/lint/config"
	"slipway/lint/rules"
)

// load writes files below a new directory and loads the first of them, a/.slipway.yaml.
func load(t *testing.T, files map[string]string) (*config.Config, error) {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return config.Load(filepath.Join(root, "a", ".slipway.yaml"), lint.New(rules.All(), lint.Settings{}))
}

// TestExtends checks that a configuration changes the settings of the one that it extends,
// whatever the order of its keys.
func TestExtends(t *testing.T) {
	c, err := load(t, map[string]string{
		"a/.slipway.yaml": "rules: { DL3008: error }\nexclude: [y]\nextends: ../base.yaml\n",
		"base.yaml":       "extends: c/top.yaml\nrules: { DL3008: off, DL3018: style }\ncontext: ctx\nbaseline: b.json\nexclude: [x]\nfail-on: info\n",
		"c/top.yaml":      "rules: { DL3018: error, DL3013: error }\nfail-on: error\nshellcheck: { path: off, exclude: [SC2016] }\nrequire-reason: true\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]diag.Severity{
		"unpinnedapt": diag.Error, "unpinnedapk": diag.Style, "unpinnedpip": diag.Error, "sc2016": lint.Off, "ignorewithoutreason": diag.Warning,
	} {
		if got, ok := c.Settings.Severity[name]; !ok || got != want {
			t.Errorf("%s: severity %v, %v, want %v", name, got, ok, want)
		}
	}
	if filepath.ToSlash(c.Context) != "../ctx" || filepath.ToSlash(c.Baseline) != "../b.json" || filepath.Base(c.Path) != ".slipway.yaml" {
		t.Errorf("context %s, baseline %s, path %s", c.Context, c.Baseline, c.Path)
	}
	if !slices.Equal(c.Exclude, []string{"x", "y"}) || c.FailOn == nil || *c.FailOn != diag.Info || c.ShellCheck != "off" {
		t.Errorf("configuration %+v", c)
	}
}

// TestExtendsErrors checks the errors about keys that name other files.
func TestExtendsErrors(t *testing.T) {
	for text, want := range map[string]string{
		"extends: ../none.yaml\n":             "none.yaml does not exist",
		"extends: .slipway.yaml\n":            "more than 10 configurations extend each other",
		"extends: [a]\n":                      "want the path of a configuration",
		"extends: bad.yaml\n":                 `unknown key "rulez"`,
		"formats: [json=../x]\n":              `invalid format "json=../x"`,
		"shellcheck: { path: ./evil }\n":      `invalid value "./evil"`,
		"shellcheck: { exclude: [DL3008] }\n": `invalid code of ShellCheck "DL3008"`,
		"require-reason: maybe\n":             "want true or false",
	} {
		_, err := load(t, map[string]string{"a/.slipway.yaml": text, "a/bad.yaml": "rulez: {}\n"})
		var d *diag.Diagnostic
		if !errors.As(err, &d) || !strings.Contains(d.Message, want) || d.Range.IsZero() {
			t.Errorf("%q: error %v, want %q with a location", text, err, want)
		}
	}
}

// TestEnvironment checks hadolint's variables.
func TestEnvironment(t *testing.T) {
	apply := func(vars map[string]string) (*config.Config, error) {
		c, err := parse(".slipway.yaml", "fail-on: error\nno-color: false\nrules: { DL3026: { registries: [a] } }\n")
		if err != nil {
			t.Fatal(err)
		}
		return c, c.Environment(func(name string) string { return vars[name] }, lint.New(rules.All(), lint.Settings{}))
	}
	c, err := apply(map[string]string{
		"HADOLINT_IGNORE": "DL3008, SC2086", "HADOLINT_OVERRIDE_STYLE": "DL3018", "HADOLINT_NOFAIL": "Yes", "HADOLINT_FORMAT": "json",
		"HADOLINT_FAILURE_THRESHOLD": "info", "HADOLINT_TRUSTED_REGISTRIES": "docker.io,quay.io", "HADOLINT_REQUIRE_LABELS": "a:text",
		"HADOLINT_STRICT_LABELS": "1", "HADOLINT_DISABLE_IGNORE_PRAGMA": "on",
	})
	if err != nil {
		t.Fatal(err)
	}
	s := c.Settings
	if s.Severity["unpinnedapt"] != lint.Off || s.Severity["sc2086"] != lint.Off || s.Severity["unpinnedapk"] != diag.Style {
		t.Errorf("severities %v", s.Severity)
	}
	if !c.NoFail || *c.FailOn != diag.Info || !slices.Equal(c.Formats, []string{"json"}) || !s.DisablePragmas {
		t.Errorf("configuration %+v", c)
	}
	if !slices.Equal(s.Rules.Registries, []string{"docker.io", "quay.io"}) || len(s.Rules.Labels) != 1 || !s.Rules.StrictLabels {
		t.Errorf("settings of rules %+v", s.Rules)
	}
	for name, value := range map[string]string{
		"HADOLINT_IGNORE": "DL9999", "HADOLINT_NOFAIL": "perhaps", "HADOLINT_FAILURE_THRESHOLD": "bad", "HADOLINT_REQUIRE_LABELS": "a:int", "HADOLINT_FORMAT": "a=b",
	} {
		if _, err := apply(map[string]string{name: value}); err == nil || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s=%s: error %v", name, value, err)
		}
	}
}
