package rules

import "embed"

//go:embed docs/*.md
var docs embed.FS

// Page returns the documentation of a rule in Markdown. It returns an error if the rule
// does not exist.
func Page(name string) (string, error) {
	text, err := docs.ReadFile("docs/" + name + ".md")
	return string(text), err
}
