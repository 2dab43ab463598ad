package rules

import (
	"slipway/linter"
	"slipway/plan"
)

// exposeInvalidFormat reports host addresses and host ports in EXPOSE. The instruction
// ignores them, because it declares only ports of the container.
func exposeInvalidFormat() *linter.Rule {
	r := catalogueExposeInvalidFormat
	return r.rule(linter.Checks{Fact: func(p *linter.Pass, _ *plan.Visit, f plan.Fact) {
		if x, ok := f.(*plan.Exposed); ok && (x.Port.IP != "" || x.Port.Host != "") {
			p.Report(x.Word.Text.Range(), "%s", r.text(x.Port.Raw))
		}
	}})
}
