package rules

import (
	"slipway/linter"
	"slipway/plan"
)

// workdirRelativePath reports a relative WORKDIR that depends on the working directory in
// the base image.
func workdirRelativePath() *linter.Rule {
	r := catalogueWorkdirRelativePath
	return r.rule(linter.Checks{Fact: func(p *linter.Pass, v *plan.Visit, f plan.Fact) {
		d, ok := f.(*plan.Directory)
		if ok && !d.Absolute && !v.Before.OwnDir {
			p.Report(d.Word.Text.Range(), "%s", r.text(d.Path))
		}
	}})
}
