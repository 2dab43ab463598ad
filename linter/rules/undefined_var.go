package rules

import (
	"slipway/internal/suggest"
	"slipway/linter"
	"slipway/plan"
)

// undefinedVar reports variables that are used before they are set or declared.
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
				continue // reserved for the builder
			}
			near, _ := suggest.Search(use.Name, names, true)
			p.Report(useRange(u.Word, use), "%s", r.text(use.Name, near))
		}
	}})
}
