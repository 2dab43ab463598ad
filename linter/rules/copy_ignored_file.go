package rules

import (
	"slipway/instructions"
	"slipway/linter"
	"slipway/plan"
)

// copyIgnoredFile reports sources of COPY and ADD that the ignore file excludes from the
// context.
func copyIgnoredFile() *linter.Rule {
	r := catalogueCopyIgnoredFile
	return r.rule(linter.Checks{Fact: func(p *linter.Pass, v *plan.Visit, f plan.Fact) {
		x, ok := f.(*plan.Excluded)
		if !ok {
			return
		}
		name := "Copy"
		if c, ok := v.Command.(*instructions.Copy); ok && c.Add {
			name = "Add"
		}
		p.Report(x.Word.Text.Range(), "%s", r.text(name, x.Path))
	}})
}
