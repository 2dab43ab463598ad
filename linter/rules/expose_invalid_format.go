package rules

import (
	"slipway/linter"
	"slipway/plan"
)

// exposeInvalidFormat finds addresses and ports of the host, which mean nothing
// to EXPOSE.
func exposeInvalidFormat() *linter.Rule {
	r := knownExposeInvalidFormat
	return r.rule(linter.Checks{Fact: func(p *linter.Pass, _ *plan.Visit, f plan.Fact) {
		if x, ok := f.(*plan.Exposed); ok && (x.Port.IP != "" || x.Port.Host != "") {
			p.Report(x.Word.Text.Range(), "%s", r.text(x.Port.Raw))
		}
	}})
}
