package rules

import (
	"strings"

	"slipway/linter"
	"slipway/parser"
)

// maintainerDeprecated finds MAINTAINER, even one with an error.
func maintainerDeprecated() *linter.Rule {
	r := knownMaintainerDeprecated
	return r.rule(linter.Checks{Instruction: func(p *linter.Pass, in *parser.Instruction) {
		if strings.EqualFold(in.Keyword.String(), "maintainer") {
			p.Report(in.Keyword.Range(), "%s", r.text())
		}
	}})
}
