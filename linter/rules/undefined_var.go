package rules

import (
	"slipway/internal/suggest"
	"slipway/linter"
	"slipway/plan"
)

// undefinedVar reports variables that are used before an instruction sets or declares
// them.
func undefinedVar() *linter.Rule {
	r := catalogueUndefinedVar
	return r.rule(linter.Checks{Fact: func(p *linter.Pass, _ *plan.Visit, f plan.Fact) {
		u, ok := f.(*plan.Unset)
		if !ok {
			return
		}
		names := u.Env.Keys()
		for _, use := range u.Uses {
			if plan.NotExported(use.Name) {
				continue // configures the frontend only
			}
			near, _ := suggest.Search(use.Name, names, true)
			p.Report(useRange(u.Word, use), "%s", r.text(use.Name, near))
		}
	}})
}
