package rules

import (
	"slipway/linter"
	"slipway/plan"
)

// redundantTargetPlatform reports FROM --platform=$TARGETPLATFORM, because the target
// platform is the default.
func redundantTargetPlatform() *linter.Rule {
	const key = "TARGETPLATFORM"
	r := catalogueRedundantTargetPlatform
	return r.rule(linter.Checks{From: func(p *linter.Pass, f *plan.From, x *plan.Expansion) {
		used := x.Result.Matched
		if x != f.Platform || len(x.Result.Unmatched) > 0 || len(used) != 1 || used[0] != key {
			return
		}
		if v, _ := p.Plan.Globals.Lookup(key); x.Result.Value == v {
			p.Report(x.Word.Text.Range(), "%s", r.text(x.Word.Value))
		}
	}})
}
