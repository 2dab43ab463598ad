package rules_test

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"testing"

	"golang.org/x/tools/txtar"

	"slipway/internal/slowtest"
	"slipway/lint"
	"slipway/lint/fix"
	"slipway/lint/rules"
	"slipway/source"
)

// dockerfiles returns the Dockerfiles in the archives of a directory.
func dockerfiles(t testing.TB, root string) [][]byte {
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

// checkProperties checks a Dockerfile, and that the ranges of findings and fixes lie in the
// file, and that fixing a second time changes nothing.
func checkProperties(t *testing.T, l *lint.Linter, content []byte) {
	t.Helper()
	f := source.NewFile("Dockerfile", content)
	res := l.Lint(t.Context(), f, lint.Options{})
	inside := func(r source.Range) bool {
		return r.IsZero() || r.File == f && 0 <= r.Start && r.Start <= r.End && r.End <= len(content)
	}
	for _, found := range append(res.Findings, res.Suppressed...) {
		ok := inside(found.Range)
		for _, r := range found.Related {
			ok = ok && inside(r.Range)
		}
		for _, x := range found.Fixes {
			for _, e := range x.Edits {
				ok = ok && inside(e.Range) && !e.Range.IsZero()
			}
		}
		if !ok {
			t.Fatalf("%s: a range is outside of the file: %+v\n%s", found.Code, found.Diagnostic, content)
		}
	}
	for _, unsafe := range []bool{false, true} {
		opt := fix.Options{Unsafe: unsafe}
		once := fix.Apply(t.Context(), l, f, opt)
		twice := fix.Apply(t.Context(), l, source.NewFile("Dockerfile", once.Text), opt)
		if !bytes.Equal(once.Text, twice.Text) {
			t.Fatalf("fixing again changes the file (unsafe %v):\n%s%s", unsafe, content, fix.Diff("Dockerfile", once.Text, twice.Text))
		}
	}
}

// TestProperties checks the properties of [checkProperties] for the Dockerfiles of the corpus and
// of the fixtures.
func TestProperties(t *testing.T) {
	slowtest.Skip(t, "checks and fixes the whole corpus")
	l := lint.New(rules.All(), lint.Settings{})
	for i, content := range dockerfiles(t, "../../testdata") {
		if i%4 == 0 { // the cases of a directory are similar
			checkProperties(t, l, content)
		}
	}
	for _, content := range dockerfiles(t, "testdata") {
		checkProperties(t, l, content)
	}
}

// FuzzLint checks the properties of [checkProperties] for random Dockerfiles.
func FuzzLint(f *testing.F) {
	for _, content := range dockerfiles(f, "testdata") {
		f.Add(content)
	}
	l := lint.New(rules.All(), lint.Settings{})
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) < 1<<14 {
			checkProperties(t, l, content)
		}
	})
}
