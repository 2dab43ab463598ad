package rules

import "embed"

//go:embed docs/*.md
var docs embed.FS

// Page returns the page that explains a rule, in Markdown. The error is that
// there is no such rule.
func Page(name string) (string, error) {
	text, err := docs.ReadFile("docs/" + name + ".md")
	return string(text), err
}
