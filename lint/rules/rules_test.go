package rules_test

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"slipway/diag"
	"slipway/docs"
	"slipway/ignore"
	"slipway/lint"
	"slipway/lint/fix"
	"slipway/lint/rules"
	"slipway/plan"
	"slipway/source"
)

// linterFor returns a linter that runs only the given rule, with settings for all rules that
// need some.
func linterFor(r *lint.Rule) *lint.Linter {
	s := lint.Settings{Severity: map[string]diag.Severity{}}
	for _, other := range lint.New(rules.All(), s).Rules() {
		if other.Name != r.Name {
			s.Severity[strings.ToLower(other.Name)] = lint.Off
		}
	}
	if r.Severity == lint.Off {
		s.Severity[strings.ToLower(r.Name)] = diag.Warning
	}
	s.Rules = lint.RuleSettings{Registries: []string{"docker.io", "*.example.com", "registry.test/team/**"}, StrictLabels: true}
	for _, kind := range []string{"text", "url", "rfc3339", "spdx", "hash", "semver", "email"} {
		s.Rules.Labels = append(s.Rules.Labels, lint.Label{Key: "test." + kind, Type: kind})
	}
	return lint.New(rules.All(), s)
}

// fixture is a directory of an archive: a Dockerfile with its context.
type fixture struct {
	dockerfile string
	files      map[string]string // the context by path; nil if it is unknown
	config     string            // the config of all base images; "" if it is unknown
}

// options returns what the fixture says about the build.
func (f fixture) options(t *testing.T) lint.Options {
	opt := lint.Options{BuildArgs: map[string]string{"GIVEN": "given"}, Contexts: map[string]bool{"ctx": true}}
	if f.config != "" {
		opt.Images = func(_ context.Context, ref string, _ plan.ImageQuery) (*plan.Resolved, error) {
			return &plan.Resolved{Ref: ref, Config: []byte(f.config)}, nil
		}
	}
	if f.files == nil {
		return opt
	}
	fsys := fstest.MapFS{}
	for name, data := range f.files {
		fsys[name] = &fstest.MapFile{Data: []byte(data)}
	}
	if text, ok := f.files[".dockerignore"]; ok {
		m, err := ignore.Parse(source.NewFile(".dockerignore", []byte(text)))
		if err != nil {
			t.Fatal(err)
		}
		opt.Ignore = m
	}
	opt.Listing = lint.NewListing(fsys, opt.Ignore)
	return opt
}

// findings returns the findings of the rule r in a fixture, and the errors of the file.
func (f fixture) findings(t *testing.T, r *lint.Rule) (list, errs []*lint.Finding) {
	res := linterFor(r).Lint(t.Context(), source.NewFile("Dockerfile", []byte(f.dockerfile)), f.options(t))
	for _, found := range res.Findings {
		switch found.Code {
		case r.Name:
			list = append(list, found)
		case "error":
			errs = append(errs, found)
		}
	}
	return list, errs
}

// text returns findings as text.
func text(t *testing.T, list []*lint.Finding) string {
	var b strings.Builder
	for _, f := range list {
		d := f.Shown()
		d.Context = source.Range{}
		if f.Alias != "" {
			d.Code += ", " + f.Alias
		}
		if err := diag.Text(&b, diag.List{&d}, diag.TextOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// fixtures returns the fixtures of an archive by directory, in order.
func fixtures(ar *txtar.Archive) (dirs []string, by map[string]fixture) {
	by = map[string]fixture{}
	for _, f := range ar.Files {
		dir, name, _ := strings.Cut(f.Name, "/")
		x, seen := by[dir]
		if !seen {
			dirs = append(dirs, dir)
		}
		switch path, inContext := strings.CutPrefix(name, "context/"); {
		case inContext:
			if x.files == nil {
				x.files = map[string]string{}
			}
			x.files[path] = string(f.Data)
		case name == "Dockerfile":
			x.dockerfile = string(f.Data)
		case name == "config.json":
			x.config = string(f.Data)
		}
		by[dir] = x
	}
	return dirs, by
}

// TestFixtures checks the Dockerfiles in testdata/<Name>.txtar. The findings in bad…/Dockerfile
// must equal bad…/out, and bad…/fixed is the file after all fixes. A Dockerfile in good…/ must
// have no finding.
func TestFixtures(t *testing.T) {
	for _, r := range rules.All() {
		t.Run(r.Name, func(t *testing.T) { checkFixtures(t, r) })
	}
}

func checkFixtures(t *testing.T, r *lint.Rule) {
	name := "testdata/" + r.Name + ".txtar"
	ar, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string) string {
		for _, f := range ar.Files {
			if f.Name == name {
				return string(f.Data)
			}
		}
		return ""
	}
	updated := &txtar.Archive{Comment: ar.Comment}
	keep := func(dir string) {
		for _, f := range ar.Files {
			if strings.HasPrefix(f.Name, dir+"/") && !is(f.Name, dir+"/out", dir+"/fixed") {
				updated.Files = append(updated.Files, f)
			}
		}
	}
	good, bad := 0, 0
	dirs, by := fixtures(ar)
	for _, dir := range dirs {
		keep(dir)
		list, _ := by[dir].findings(t, r)
		got := text(t, list)
		if strings.HasPrefix(dir, "good") {
			good++
			if got != "" {
				t.Errorf("%s: reported\n%s", dir, got)
			}
			continue
		}
		bad++
		fixed := fixedText(t, r, by[dir])
		if got == "" {
			t.Errorf("%s: not reported", dir)
		}
		for path, text := range map[string]string{dir + "/out": got, dir + "/fixed": fixed} {
			if want := file(path); os.Getenv("UPDATE") == "" && text != want {
				t.Errorf("%s (-want +got):\n%s", path, cmp.Diff(want, text))
			}
		}
		updated.Files = append(updated.Files, txtar.File{Name: dir + "/out", Data: []byte(got)})
		if fixed != "" {
			updated.Files = append(updated.Files, txtar.File{Name: dir + "/fixed", Data: []byte(fixed)})
		}
	}
	if good == 0 || bad == 0 {
		t.Errorf("%d good and %d bad Dockerfiles, want at least one of each", good, bad)
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(name, txtar.Format(updated), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// is reports whether s is one of the words.
func is(s string, words ...string) bool { return slices.Contains(words, s) }

// fixedText returns the Dockerfile of a fixture after all fixes of the rule r, or "" if no finding
// has a fix. It checks that the rule does not report the fixed text again, that the file can
// still be planned, that no JSON array becomes a shell command, and that fixing again changes
// nothing.
func fixedText(t *testing.T, r *lint.Rule, f fixture) string {
	t.Helper()
	opt := fix.Options{Unsafe: true, Lint: f.options(t), Only: func(x *lint.Finding) bool { return x.Code == r.Name }}
	l := linterFor(r)
	res := fix.Apply(t.Context(), l, source.NewFile("Dockerfile", []byte(f.dockerfile)), opt)
	if res.Applied == 0 {
		return ""
	}
	for _, u := range res.Undone {
		t.Errorf("the fix of %q causes an error", u.Message)
	}
	for _, x := range res.Last.Findings {
		if x.Code == r.Name && len(x.Fixes) > 0 {
			t.Errorf("reported after the fix: %s\n%s", text(t, []*lint.Finding{x}), res.Text)
		}
	}
	if before, after := arrays(f.dockerfile), arrays(string(res.Text)); after < before {
		t.Errorf("the fix leaves %d of %d JSON arrays:\n%s", after, before, res.Text)
	}
	again := fix.Apply(t.Context(), l, source.NewFile("Dockerfile", res.Text), opt)
	if string(again.Text) != string(res.Text) {
		t.Errorf("fixing again changes the file:\n%s", fix.Diff("Dockerfile", res.Text, again.Text))
	}
	return string(res.Text)
}

// arrays returns the number of instructions on one line that consist of a JSON array.
func arrays(dockerfile string) int {
	n := 0
	for line := range strings.Lines(dockerfile) {
		if _, rest, _ := strings.Cut(line, " "); strings.HasPrefix(rest, "[") && json.Valid([]byte(rest)) {
			n++
		}
	}
	return n
}

// TestComplete checks that each rule has a summary, a callback, a page and a fixture, and that
// each page and fixture belongs to a rule.
func TestComplete(t *testing.T) {
	names := map[string]bool{}
	for _, r := range rules.All() {
		if names[r.Name] {
			t.Errorf("%s is defined twice", r.Name)
		}
		names[r.Name] = true
		c := r.Checks
		if r.Summary == "" || c.File == nil && c.Node == nil && c.Stage == nil && c.Instruction == nil && c.Script == nil && c.Command == nil {
			t.Errorf("%s has no summary or no callback", r.Name)
		}
	}
	// The engine has rules of its own about comments. The tests of package lint check them.
	pages := map[string]bool{"UnknownRule": true, "UnusedIgnore": true, "IgnoreWithoutReason": true, "README": true}
	maps.Copy(pages, names)
	for glob, names := range map[string]map[string]bool{"testdata/*.txtar": names, "../../docs/rules/*.md": pages} {
		files, err := filepath.Glob(glob)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, f := range files {
			name := strings.TrimSuffix(filepath.Base(f), filepath.Ext(f))
			found[name] = true
			if !names[name] {
				t.Errorf("%s belongs to no rule", f)
			}
		}
		for name := range names {
			if !found[name] {
				t.Errorf("%s has no file %s", name, glob)
			}
		}
	}
}

// examplePattern matches an example in a page.
var examplePattern = regexp.MustCompile("(?m)^```dockerfile ?(.*)\n((?:.*\n)*?)```$")

// TestPages checks that the pages have all parts, and that exactly the examples with the mark
// "reported" are reported.
func TestPages(t *testing.T) {
	for _, r := range rules.All() {
		page, err := docs.Rule(r.Name)
		if err != nil {
			t.Error(err)
			continue
		}
		if !strings.HasPrefix(page, "# "+r.Name+"\n") {
			t.Errorf("the page of %s has a wrong title", r.Name)
		}
		if r.Code != "" && !strings.Contains(page, r.Code) {
			t.Errorf("the page of %s lacks %s", r.Name, r.Code)
		}
		reported, silent := 0, 0
		for _, m := range examplePattern.FindAllStringSubmatch(page, -1) {
			list, errs := fixture{dockerfile: m[2]}.findings(t, r)
			want := m[1] == "reported"
			if len(errs) > 0 || want != (len(list) > 0) {
				t.Errorf("the page of %s: reported=%v, want %v, errors %s:\n%s", r.Name, len(list) > 0, want, text(t, errs), m[2])
			}
			if want {
				reported++
			} else {
				silent++
			}
		}
		if needsContext := strings.Contains(page, "needs the files of the context") || strings.Contains(page, "needs the config of the base image"); (reported == 0 || silent == 0) && !needsContext {
			t.Errorf("the page of %s has %d reported and %d silent examples", r.Name, reported, silent)
		}
	}
}
