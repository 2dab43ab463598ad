package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/source"
)

// TestEditorChecks checks that an open document gets the findings that slipway lint has for the
// file: with its configuration, comments and build context.
func TestEditorChecks(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "Dockerfile")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(".git", "")
	write("a.txt", "")
	const text = "FROM debian:12\nCOPY a.txt /\nRUN apt-get install curl=1\n# hadolint ignore=DL3014\nRUN apt-get install wget=1\n"
	e := newEditorChecks()
	for _, tc := range []struct {
		config   string
		findings int // of AptWithoutYes
		excluded bool
		err      string
	}{
		{"", 1, false, ""},
		{"rules:\n  DL3014: off\n", 0, false, ""},
		{"disable-ignore-pragma: true\n", 2, false, ""},
		{"exclude: [Dockerfile]\n", 1, true, ""},
		{"profil: all\n", 1, false, "the configuration " + filepath.Join(dir, ".slipway.yaml") + " is invalid"},
	} {
		write(".slipway.yaml", tc.config)
		f := source.NewFile(path, []byte(text))
		checks, err := e.of(path, f)
		if err == nil && tc.err != "" || err != nil && (tc.err == "" || !strings.Contains(err.Error(), tc.err)) {
			t.Errorf("%q: error %v, want %q", tc.config, err, tc.err)
		}
		n := 0
		for _, finding := range checks.Linter.Lint(t.Context(), f, checks.Options).Findings {
			if finding.Code == "AptWithoutYes" {
				n++
			}
		}
		if n != tc.findings || checks.Excluded != tc.excluded {
			t.Errorf("%q: %d findings, excluded %v, want %d, %v", tc.config, n, checks.Excluded, tc.findings, tc.excluded)
		}
		if (checks.Options.ShellCheck != nil) != (e.checker != nil) && tc.err == "" {
			t.Errorf("%q: ShellCheck is not used as installed", tc.config)
		}
		if files, ok := checks.Options.Listing.Files(); tc.err == "" && (!ok || len(files) == 0) {
			t.Errorf("%q: the files of the context are unknown", tc.config)
		}
	}
	write(".slipway.yaml", "shellcheck: { path: off }\n")
	if checks, err := e.of(path, source.NewFile(path, []byte(text))); err != nil || checks.Options.ShellCheck != nil {
		t.Errorf("shellcheck: off: %v, error %v", checks.Options.ShellCheck, err)
	}
	if err := os.RemoveAll(dir); err != nil { // the document is still open
		t.Fatal(err)
	}
	f := source.NewFile(path, []byte(text))
	checks, err := e.of(path, f)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(checks.Linter.Lint(t.Context(), f, checks.Options).Findings); n == 0 {
		t.Error("no findings in a document whose directory is deleted")
	}
}
