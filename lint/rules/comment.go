package rules

import (
	"strings"

	"slipway/lint"
	"slipway/parser"
	"slipway/source"
)

// commentRules returns the rules about comments.
func commentRules() []*lint.Rule {
	return []*lint.Rule{
		{
			Name: "NoInlineIgnore", Code: "DL1001", Severity: lint.Off, Hadolint: lint.Off,
			Summary: "Comments should not suppress findings",
			Checks:  lint.Checks{File: noInlineIgnore},
		},
	}
}

func noInlineIgnore(p *lint.Pass) {
	for n := 1; n <= p.File.Source.Lines(); n++ {
		line := p.File.Source.Line(n)
		text := strings.TrimLeft(line, " \t")
		if !strings.HasPrefix(text, "#") {
			continue
		}
		text = strings.TrimLeft(text, "# \t")
		if !strings.HasPrefix(text, "hadolint") || !strings.Contains(text, "ignore") || inHeredoc(p.File.Syntax, p.File.Source.LineStart(n)) {
			continue
		}
		start := p.File.Source.LineStart(n)
		p.Report(source.Range{File: p.File.Source, Start: start + strings.IndexByte(line, '#'), End: start + len(line)}, "the comment suppresses findings")
	}
}

// inHeredoc reports whether an offset is in the text of a heredoc.
func inHeredoc(f *parser.File, offset int) bool {
	for _, in := range f.Instructions() {
		for _, h := range in.Heredocs {
			if h.Body.Start <= offset && offset < h.End.End {
				return true
			}
		}
	}
	return false
}
