package rules

import (
	"strings"

	"slipway/linter"
	"slipway/parser"
)

// maintainerDeprecated reports every MAINTAINER, even an invalid one.
func maintainerDeprecated() *linter.Rule {
	r := catalogueMaintainerDeprecated
	return r.rule(linter.Checks{Instruction: func(p *linter.Pass, in *parser.Instruction) {
		if strings.EqualFold(in.Keyword.String(), "maintainer") {
			p.Report(in.Keyword.Range(), "%s", r.text())
		}
	}})
}
