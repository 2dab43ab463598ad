// Package docs contains the pages that explain the rules of slipway lint.
package docs

import "embed"

//go:embed rules/*.md
var rules embed.FS

// Rule returns the page of a rule in Markdown. It returns an error if the page does not exist.
func Rule(name string) (string, error) {
	text, err := rules.ReadFile("rules/" + name + ".md")
	return string(text), err
}
