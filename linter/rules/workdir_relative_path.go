package rules

import (
	"slipway/linter"
	"slipway/plan"
)

// workdirRelativePath finds a relative WORKDIR that starts from the directory of
// the base image.
func workdirRelativePath() *linter.Rule {
	r := knownWorkdirRelativePath
	return r.rule(linter.Checks{Fact: func(p *linter.Pass, v *plan.Visit, f plan.Fact) {
		d, ok := f.(*plan.Directory)
		if ok && !d.Absolute && !v.Before.OwnDir {
			p.Report(d.Word.Text.Range(), "%s", r.text(d.Path))
		}
	}})
}
