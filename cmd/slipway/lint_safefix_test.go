package main

import (
	"io/fs"
	"os"
	"path"
	"testing"

	"golang.org/x/tools/txtar"

	"slipway/diag"
	"slipway/format/samebuild"
	"slipway/internal/slowtest"
	"slipway/lint"
	"slipway/lint/fix"
	"slipway/lint/rules"
	"slipway/parser"
	"slipway/source"
)

// changingFixes returns the rules whose safe fix changes the operations of a build, and why the
// fix is safe nevertheless: without it, the step fails, or the files in the image are the same.
func changingFixes() map[string]string {
	return map[string]string{
		"AptWithoutYes":     "without an answer, apt-get install fails",
		"YumWithoutYes":     "without an answer, yum install fails",
		"DnfWithoutYes":     "without an answer, dnf install fails",
		"ZypperWithoutYes":  "without an answer, zypper install fails",
		"AptInScript":       "apt-get installs the same packages",
		"NoSudo":            "root runs the same command",
		"CurlWithoutFail":   "only a response that is an error fails",
		"AptCacheNotLocked": "the sharing of a cache mount does not change files",
	}
}

// TestSafeFixes applies the safe fixes of each rule to the Dockerfiles of the corpus and of the
// fixtures, and compares the operations and configs of all stages before and after. They may
// differ only for the rules in changingFixes, and must differ for each of them somewhere.
func TestSafeFixes(t *testing.T) {
	slowtest.Skip(t, "checks, fixes and converts the whole corpus")
	base := lint.New(rules.All(), lint.Settings{Severity: map[string]diag.Severity{"unusedignore": diag.Info}})
	changed := map[string]bool{}
	files := 0
	for _, root := range []string{"../../testdata", "../../lint/rules/testdata"} {
		for _, content := range dockerfilesBelow(t, root) {
			for _, rule := range withSafeFix(t, base, content) {
				files++
				if differs(t, base, content, rule) {
					changed[rule] = true
					if changingFixes()[rule] == "" {
						t.Errorf("the safe fix of %s changes the build of\n%s", rule, content)
					}
				}
			}
		}
	}
	for rule := range changingFixes() {
		if !changed[rule] {
			t.Errorf("the safe fix of %s changes no build", rule)
		}
	}
	if files < 20 {
		t.Errorf("%d safe fixes in the corpus", files)
	}
}

// dockerfilesBelow returns the Dockerfiles in the archives of a directory.
func dockerfilesBelow(t *testing.T, root string) [][]byte {
	t.Helper()
	var list [][]byte
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".txtar" {
			return err
		}
		ar, err := txtar.ParseFile(path.Join(root, name))
		if err != nil {
			return err
		}
		for _, f := range ar.Files {
			if path.Base(f.Name) == "Dockerfile" {
				list = append(list, f.Data)
			}
		}
		return nil
	})
	if err != nil || len(list) == 0 {
		t.Fatalf("%d Dockerfiles in %s, error %v", len(list), root, err)
	}
	return list
}

// withSafeFix returns the rules that have a safe fix for a Dockerfile.
func withSafeFix(t *testing.T, l *lint.Linter, content []byte) []string {
	var list []string
	seen := map[string]bool{}
	for _, f := range l.Lint(t.Context(), source.NewFile("Dockerfile", content), lint.Options{}).Findings {
		if len(f.Fixes) > 0 && f.Fixes[0].Safe && !seen[f.Code] {
			seen[f.Code] = true
			list = append(list, f.Code)
		}
	}
	return list
}

// differs reports whether a build differs after the safe fixes of a rule.
func differs(t *testing.T, l *lint.Linter, content []byte, rule string) bool {
	t.Helper()
	src := source.NewFile("Dockerfile", content)
	res := fix.Apply(t.Context(), l, src, fix.Options{Only: func(f *lint.Finding) bool { return f.Code == rule }})
	if res.Applied == 0 {
		t.Errorf("no fix of %s was applied to\n%s", rule, content)
		return false
	}
	before, errs := parser.Parse(src)
	after, errsAfter := parser.Parse(source.NewFile("Dockerfile", res.Text))
	if before == nil || after == nil {
		if (before == nil) != (after == nil) {
			t.Errorf("%s: errors %v, then %v", rule, errs, errsAfter)
		}
		return false
	}
	return samebuild.Compare(t.Context(), before, after) != nil
}
