package report_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/lint"
	"slipway/lint/report"
	"slipway/lint/rules"
	"slipway/source"
)

// TestFormats compares a report in each format with testdata/<format>.
func TestFormats(t *testing.T) {
	l := lint.New(rules.All(), lint.Settings{})
	var files []report.File
	for name, text := range map[string]string{
		"a b/Dockerfile": "FROM debian:12\n# hadolint ignore=DL3008 known\nRUN apt-get install -y --no-install-recommends é\nRUN \"ü\" | sudo <x >y &\n\tCMD a\nNOPE\n",
	} {
		res := l.Lint(t.Context(), source.NewFile(name, []byte(text)), lint.Options{})
		files = append(files, report.File{Name: name, Result: res, Findings: res.Findings, Prints: res.Fingerprints(res.Findings), Hidden: 2})
	}
	clean := l.Lint(t.Context(), source.NewFile("clean", []byte("FROM scratch\n")), lint.Options{})
	files = append(files, report.File{Name: "clean", Result: clean})
	for _, name := range report.Names() {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			if err := report.Write(&b, name, files, report.Options{Version: "1.2.3", Rules: l.Rules()[:2], ShowSuppressed: true}); err != nil {
				t.Fatal(err)
			}
			path := "testdata/" + name
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), b.String()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// TestUnknownFormat checks the errors for formats that do not exist.
func TestUnknownFormat(t *testing.T) {
	for name, want := range map[string]string{"sarrif": "did you mean sarif?", "codacy": "use sarif"} {
		if err := report.Check(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want …%s…", name, err, want)
		}
	}
}
