package rules

import (
	"slipway/instructions"
	"slipway/linter"
	"slipway/plan"
)

// legacyKeyValueFormat reports ENV and LABEL in the form without "=".
func legacyKeyValueFormat() *linter.Rule {
	r := catalogueLegacyKeyValueFormat
	return r.rule(linter.Checks{Fact: func(p *linter.Pass, v *plan.Visit, f plan.Fact) {
		if _, ok := f.(*plan.Assigned); !ok {
			return
		}
		legacy := false
		switch c := v.Command.(type) {
		case *instructions.Env:
			legacy = c.Legacy
		case *instructions.Label:
			legacy = c.Legacy
		default: // ARG has no such form
		}
		if legacy {
			in := v.Command.Syntax()
			p.Report(in.Rest.Range(), "%s", r.text(in.Keyword.String()))
		}
	}})
}
