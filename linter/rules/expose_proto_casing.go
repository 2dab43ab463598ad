package rules

import (
	"strings"

	"slipway/linter"
	"slipway/plan"
)

// exposeProtoCasing reports protocols in EXPOSE that are not in lower case.
func exposeProtoCasing() *linter.Rule {
	r := catalogueExposeProtoCasing
	return r.rule(linter.Checks{Fact: func(p *linter.Pass, _ *plan.Visit, f plan.Fact) {
		if x, ok := f.(*plan.Exposed); ok && x.Port.Proto != strings.ToLower(x.Port.Proto) {
			p.Report(x.Word.Text.Range(), "%s", r.text(x.Port.Raw))
		}
	}})
}
