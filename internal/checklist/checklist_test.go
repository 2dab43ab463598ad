package checklist

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/internal/golden"
)

// TestCompatibility holds the list to the corpus, and COMPATIBILITY.md to both.
func TestCompatibility(t *testing.T) {
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
	file, want := filepath.Join(root, "..", "COMPATIBILITY.md"), Render(sections, corpus)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Errorf("COMPATIBILITY.md is stale, UPDATE=1 go test writes it (-want +got):\n%s", d)
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

func TestRender(t *testing.T) {
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
	got := strings.TrimPrefix(Render(sections, corpus), preamble)
	const want = `
## Differences that are intended

| case | differs in | why |
|---|---|---|
| [Another](testdata/lex/b.txtar) | locations | ours is &lt;there> |

## 1 One

| docker/dockerfile | shown by |
|---|---|
| It is \| so. | [A \` + "`case\\`" + `](testdata/lex/a.txtar)<br>[Another](testdata/lex/b.txtar) |
`
	if d := cmp.Diff(want, got); d != "" {
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
		"line 2: no case shows that", "line 3: there is no case lex/c", "line 3: case lex/a is there twice",
		"section 1 is there twice", `lex/b: section "3" is not in the list`,
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
