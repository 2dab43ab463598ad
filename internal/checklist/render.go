package checklist

import (
	"fmt"
	"strings"

	"slipway/internal/golden"
)

const preamble = `# Index of the corpus

What docker/dockerfile does, and the cases that show it. [README.md](README.md) explains their format.

This file is made of ` + "`checklist.txt`" + ` and the cases: ` + "`UPDATE=1 go test ./internal/checklist`" + ` writes it, and the test fails when it is stale.
`

// Index returns the checklist in Markdown. Links are relative to testdata. The checklist must
// pass [Check].
func Index(sections []Section, corpus []*golden.Case) string {
	var b strings.Builder
	b.WriteString(preamble)
	for _, s := range sections {
		if len(s.Statements) > 0 {
			renderSection(&b, s, corpus)
		}
	}
	return b.String()
}

// Differences returns the table of intended differences in Markdown. Links are relative to the
// parent directory of testdata.
func Differences(corpus []*golden.Case) string {
	var b strings.Builder
	rows := 0
	for _, c := range corpus {
		for _, d := range c.Differs {
			rows++
			fmt.Fprintf(&b, "| %s | %s | %s |\n", link("testdata/", c), d.Kind, cell(d.Why))
		}
	}
	return fmt.Sprintf("%d of %d cases differ:\n\n| case | differs in | why |\n|---|---|---|\n%s\n", rows, len(corpus), b.String())
}

func renderSection(b *strings.Builder, s Section, corpus []*golden.Case) {
	fmt.Fprintf(b, "\n## %s %s\n\n| docker/dockerfile | shown by |\n|---|---|\n", s.Number, s.Title)
	for _, st := range s.Statements {
		var links []string
		for _, name := range st.Cases {
			links = append(links, link("", find(corpus, name)))
		}
		fmt.Fprintf(b, "| %s | %s |\n", cell(st.Text), strings.Join(links, "<br>"))
	}
}

// link returns a Markdown link to a case. The parameter dir is the path to testdata, relative
// to the document that contains the link.
func link(dir string, c *golden.Case) string {
	return fmt.Sprintf("[%s](%s%s.txtar)", cell(c.Title), dir, c.Name)
}

// cell escapes a text so that it can be the content of a cell in a Markdown table.
func cell(s string) string {
	return strings.NewReplacer(
		"|", `\|`, "*", `\*`, "_", `\_`, "`", "\\`", "<", "&lt;", "[", `\[`, "]", `\]`, "$", `\$`,
	).Replace(s)
}
