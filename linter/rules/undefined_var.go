package rules

import (
	"slipway/internal/suggest"
	"slipway/linter"
	"slipway/plan"
)

// undefinedVar finds variables that are used before anything sets or declares
// them.
func undefinedVar() *linter.Rule {
	r := knownUndefinedVar
	return r.rule(linter.Checks{Fact: func(p *linter.Pass, _ *plan.Visit, f plan.Fact) {
		u, ok := f.(*plan.Unset)
		if !ok {
			return
		}
		names := u.Env.Keys()
		for _, use := range u.Uses {
			if plan.NotExported(use.Name) {
				continue // they tell the builder something
			}
			near, _ := suggest.Search(use.Name, names, true)
			p.Report(useAt(u.Word, use), "%s", r.text(use.Name, near))
		}
	}})
}
