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
	"slipway/source"
)

// parse parses a configuration.
func parse(name, text string) (*config.Config, error) {
	return config.Parse(source.NewFile(name, []byte(text)), lint.New(rules.All(), lint.Settings{}))
}

// TestOwn checks the settings of .slipway.yaml.
func TestOwn(t *testing.T) {
	c, err := parse(".slipway.yaml", `
rules:
  DL300*: error
  DL3026: { severity: info, registries: [docker.io, "*.corp.example"], unresolved: allow }
  labels: { schema: { org.opencontainers.image.version: semver }, strict: true }
fail-on: info
targets: [app, test]
context: ..
build-args: { VERSION: "1" }
files: [{ match: "**/test/**", rules: { DL3027: off } }]
exclude: ["third_party/**"]
baseline: b.json
fmt: { indent: 2 }
`)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]diag.Severity{"imagewithouttag": diag.Error, "untrustedregistry": diag.Info} {
		if got, ok := c.Settings.Severity[name]; !ok || got != want {
			t.Errorf("%s: severity %v, %v, want %v", name, got, ok, want)
		}
	}
	r := c.Settings.Rules
	if len(r.Registries) != 2 || !r.AllowUnresolved || !r.StrictLabels || len(r.Labels) != 1 || r.Labels[0].Type != "semver" {
		t.Errorf("settings of rules: %+v", r)
	}
	if c.FailOn == nil || *c.FailOn != diag.Info || c.Target != "test" || c.Context != ".." || c.Args["VERSION"] != "1" || c.Baseline != "b.json" {
		t.Errorf("configuration: %+v", c)
	}
	if len(c.Files) != 1 || c.Files[0].Severity["aptinscript"] != lint.Off || len(c.Exclude) != 1 {
		t.Errorf("files: %+v, exclude %v", c.Files, c.Exclude)
	}
}

// TestHadolint checks the settings of .hadolint.yaml: only hadolint's rules run, with hadolint's
// severities.
func TestHadolint(t *testing.T) {
	c, err := parse(".hadolint.yaml", `
failure-threshold: error
ignored:
  - DL3008
  - SC2086
override:
  error: [DL3015]
  style: [DL3057]
trustedRegistries: docker.io
label-schema: { author: text }
strict-labels: true
disable-ignore-pragma: true
no-fail: true
format: json
`)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]diag.Severity{
		"unpinnedapt": lint.Off, "unpinnedapk": diag.Warning, "aptinstallsrecommends": diag.Error,
		"healthcheckmissing": diag.Style, "stagenamecasing": lint.Off, "workdirrelativepath": diag.Error, "unknownrule": lint.Off,
	} {
		if got, ok := c.Settings.Severity[name]; !ok || got != want {
			t.Errorf("%s: severity %v, %v, want %v", name, got, ok, want)
		}
	}
	if !c.Hadolint || !c.NoFail || !c.Settings.DisablePragmas || !slices.Equal(c.Formats, []string{"json"}) || c.FailOn == nil || *c.FailOn != diag.Error || !c.Settings.Rules.StrictLabels {
		t.Errorf("configuration: %+v", c)
	}
}

// TestErrors checks the messages and locations of errors.
func TestErrors(t *testing.T) {
	for _, tc := range []struct{ text, at, want string }{
		{"rulez: {}\n", "rulez", `unknown key "rulez" (did you mean rules?)`},
		{"rules:\n  UnpinedApt: off\n", "UnpinedApt", `unknown rule "UnpinedApt" (did you mean UnpinnedApt?)`},
		{"rules: { DL3008: of }\n", "of", `unknown severity "of"`},
		{"fail-on: maybe\n", "maybe", `unknown severity "maybe"`},
		{"rules: [a]\n", "", "want names of rules"},
		{"profile: best\n", "best", `unknown profile "best"`},
		{"a: b: c\n", "a: b: c", "mapping values are not allowed"},
		{"- a\n", "", "want keys and values"},
		{"rules: { labels: { schema: { a: int } } }\n", "int", `unknown type of label "int"`},
	} {
		_, err := parse(".slipway.yaml", tc.text)
		var d *diag.Diagnostic
		if !errors.As(err, &d) || !strings.Contains(d.Message, tc.want) || !strings.HasPrefix(d.Range.String(), tc.at) {
			t.Errorf("%q: error %v, want %q at %q", tc.text, err, tc.want, tc.at)
		}
	}
	if c, err := parse(".slipway.yaml", ""); err != nil || c == nil {
		t.Errorf("empty file: %v", err)
	}
}

// TestFind checks which configuration a directory has.
func TestFind(t *testing.T) {
	root := t.TempDir()
	write := func(name string) string {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("outside/.slipway.yaml")
	write("outside/repo/.git/HEAD")
	hadolint := write("outside/repo/.hadolint.yaml")
	own := write("outside/repo/a/.slipway.yaml")
	user := write("home/.config/hadolint.yaml")
	env := func(name string) string {
		if name == "HOME" {
			return filepath.Join(root, "home")
		}
		return ""
	}
	for dir, want := range map[string]string{"outside/repo/a/b": own, "outside/repo/c": hadolint, "elsewhere": user} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if dir == "elsewhere" {
			if err := os.MkdirAll(filepath.Join(root, dir, ".git"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if got := config.Find(filepath.Join(root, dir), env); got != want {
			t.Errorf("%s: configuration %s, want %s", dir, got, want)
		}
	}
}

// TestBaseline checks that a baseline hides each finding as often as it lists it.
func TestBaseline(t *testing.T) {
	var b config.Baseline
	b.Add("b", "R", "1")
	b.Add("a", "R", "1")
	b.Add("a", "R", "1")
	data, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "b.json")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	read, err := config.ReadBaseline(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, true, false} {
		if got := read.Hides("a", "R", "1"); got != want {
			t.Errorf("call %d: hides %v, want %v", i, got, want)
		}
	}
	if left := read.Left(); len(left) != 1 || left[0].Path != "b" {
		t.Errorf("left %v, want the entry of b", left)
	}
}
