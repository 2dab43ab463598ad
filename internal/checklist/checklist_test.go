package checklist

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/internal/golden"
)

// TestIndex checks that the checklist and the corpus are consistent. It also checks that
// testdata/INDEX.md and the table of differences in COMPATIBILITY.md are up to date.
func TestIndex(t *testing.T) {
	root, err := golden.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "checklist.txt"))
	if err != nil {
		t.Fatal(err)
	}
	sections, err := Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	corpus := golden.Cases(t)
	for _, fault := range Check(sections, corpus) {
		t.Errorf("testdata/checklist.txt: %v", fault)
	}
	if t.Failed() {
		return
	}
	checkFile(t, filepath.Join(root, "INDEX.md"), func(string) string { return Index(sections, corpus) })
	checkFile(t, filepath.Join(root, "..", "docs", "reference", "errors.md"), func(old string) string {
		before, _, ok := strings.Cut(old, errorsBegin)
		if !ok {
			t.Fatalf("docs/reference/errors.md: the line %q does not exist", errorsBegin)
		}
		return before + errorsBegin + Errors(corpus)
	})
	checkFile(t, filepath.Join(root, "..", "COMPATIBILITY.md"), func(old string) string {
		before, rest, ok := strings.Cut(old, begin)
		_, after, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("COMPATIBILITY.md: the lines %q and %q do not exist", begin, end)
		}
		return before + begin + Differences(corpus) + end + after
	})
}

// The lines immediately before and after the generated table in COMPATIBILITY.md, by which the
// test finds the table.
const (
	begin = "<!-- UPDATE=1 go test ./internal/checklist writes what follows -->\n"
	end   = "<!-- UPDATE=1 go test ./internal/checklist wrote what precedes -->\n"
)

// errorsBegin is the line before the generated tables in docs/reference/errors.md.
const errorsBegin = "<!-- UPDATE=1 go test ./internal/checklist writes what follows -->\n"

// checkFile checks that a generated file is up to date: render, called with the current content,
// must return the same content. With UPDATE=1, checkFile writes the new content instead.
func checkFile(t *testing.T, name string, render func(old string) string) {
	t.Helper()
	got, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	want := render(string(got))
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Errorf("%s is stale, UPDATE=1 go test writes it (-want +got):\n%s", filepath.Base(name), d)
	}
}

// TestVersions checks that COMPATIBILITY.md states the versions of the upstream modules with
// which the differential tests compare.
func TestVersions(t *testing.T) {
	root, err := golden.Root()
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(root, "..", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	page := read("COMPATIBILITY.md")
	for _, tt := range []struct{ mod, module, name string }{
		{"go.mod", "github.com/moby/buildkit", "BuildKit"},
		{"integration/tools/buildkit/go.mod", "github.com/moby/buildkit", "BuildKit"},
		{"integration/tools/buildkit-2023/go.mod", "github.com/moby/buildkit", "BuildKit"},
		{"integration/tools/buildx/go.mod", "github.com/docker/buildx", "buildx"},
	} {
		m := regexp.MustCompile(`\s` + regexp.QuoteMeta(tt.module) + ` (v\S+)`).FindStringSubmatch(read(tt.mod))
		if m == nil {
			t.Errorf("%s has no version of %s", tt.mod, tt.module)
		} else if want := tt.name + " " + m[1]; !strings.Contains(page, want) {
			t.Errorf("COMPATIBILITY.md does not name %s, as in %s", want, tt.mod)
		}
	}
}

func parseCase(t *testing.T, name, header string) *golden.Case {
	t.Helper()
	c, err := golden.Parse(name, []byte(header+"-- Dockerfile --\nFROM a\n"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMarkdown(t *testing.T) {
	const list = "# comment\n\n1 One\n  It is | so.\n    lex/a\n    lex/b\n2 Two\n"
	sections, err := Parse(list)
	if err != nil {
		t.Fatal(err)
	}
	corpus := []*golden.Case{
		parseCase(t, "lex/a", "# A `case`\nsection: 1\n"),
		parseCase(t, "lex/b", "# Another\nsection: 2\ndiffers: locations: ours is <there>\n"),
	}
	if faults := Check(sections, corpus); len(faults) > 0 {
		t.Error(faults)
	}
	got := strings.TrimPrefix(Index(sections, corpus), preamble)
	const want = `
## 1 One

| docker/dockerfile | shown by |
|---|---|
| It is \| so. | [A \` + "`case\\`" + `](lex/a.txtar)<br>[Another](lex/b.txtar) |
`
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	const table = `1 of 2 cases differ:

| case | differs in | why |
|---|---|---|
| [Another](testdata/lex/b.txtar) | locations | ours is &lt;there> |

`
	if d := cmp.Diff(table, Differences(corpus)); d != "" {
		t.Error(d)
	}
}

func TestCheck(t *testing.T) {
	corpus := []*golden.Case{parseCase(t, "lex/a", "# A\nsection: 1\n"), parseCase(t, "lex/b", "# B\nsection: 3\n")}
	sections, err := Parse("1 One\n  No case.\n  A wrong one.\n    lex/c lex/a lex/a\n1 One again\n")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, fault := range Check(sections, corpus) {
		got = append(got, fault.Error())
	}
	want := []string{
		"line 2: the statement has no case", "line 3: case lex/c does not exist", "line 3: case lex/a appears twice",
		"section 1 appears twice", `lex/b: section "3" is not in the list`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"1\n":              "line 1: section 1 has no title",
		"  text\n":         "line 1 is indented by 2",
		"1 One\n    a/b\n": "line 2 is indented by 4",
		"1 One\n   a\n":    "line 2 is indented by 3",
		"1 One\n  a\n\tb":  "line 3: section",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want …%s…", text, err, want)
		}
	}
}
