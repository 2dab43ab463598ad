package checklist

import (
	"fmt"
	"strings"

	"slipway/internal/golden"
)

const preamble = `# Compatibility

What docker/dockerfile does, and the cases of the corpus that show it. Each case is converted by docker/dockerfile's own frontend and by ours, for several platforms: operations, metadata, locations, image config and errors have to be equal (` + "`make parity`" + `). Where the text of the Dockerfile reference is silent, docker/dockerfile decides.

This file is made of ` + "`testdata/checklist.txt`" + ` and the corpus: ` + "`UPDATE=1 go test ./internal/checklist`" + ` writes it, and the test fails when it is stale.
`

// Render writes the list for readers, in Markdown. The list has been checked.
func Render(sections []Section, corpus []*golden.Case) string {
	var b strings.Builder
	b.WriteString(preamble)
	renderDifferences(&b, corpus)
	for _, s := range sections {
		if len(s.Statements) > 0 {
			renderSection(&b, s, corpus)
		}
	}
	return b.String()
}

func renderDifferences(b *strings.Builder, corpus []*golden.Case) {
	b.WriteString("\n## Differences that are intended\n\n| case | differs in | why |\n|---|---|---|\n")
	for _, c := range corpus {
		for _, d := range c.Differs {
			fmt.Fprintf(b, "| %s | %s | %s |\n", link(c), d.Kind, cell(d.Why))
		}
	}
}

func renderSection(b *strings.Builder, s Section, corpus []*golden.Case) {
	fmt.Fprintf(b, "\n## %s %s\n\n| docker/dockerfile | shown by |\n|---|---|\n", s.Number, s.Title)
	for _, st := range s.Statements {
		var links []string
		for _, name := range st.Cases {
			links = append(links, link(find(corpus, name)))
		}
		fmt.Fprintf(b, "| %s | %s |\n", cell(st.Text), strings.Join(links, "<br>"))
	}
}

// link shows the title of a case and leads to its file.
func link(c *golden.Case) string {
	return fmt.Sprintf("[%s](testdata/%s.txtar)", cell(c.Title), c.Name)
}

// cell protects what means something in a table of Markdown.
func cell(s string) string {
	return strings.NewReplacer(
		"|", `\|`, "*", `\*`, "_", `\_`, "`", "\\`", "<", "&lt;", "[", `\[`, "]", `\]`, "$", `\$`,
	).Replace(s)
}
