package rules

import (
	"github.com/distribution/reference"

	"slipway/linter"
	"slipway/plan"
)

// invalidDefaultArgInFrom finds bases that are no names of images unless build
// arguments are given.
//
// Upstream: gives up at the first word that does not expand.
func invalidDefaultArgInFrom() *linter.Rule {
	r := knownInvalidDefaultArgInFrom
	return r.rule(linter.Checks{Globals: func(p *linter.Pass, pl *plan.Plan) {
		for i, name := range pl.DefaultBases() {
			from := p.Dockerfile.Stages[i].From
			if _, err := reference.ParseNormalizedNamed(name); err != nil {
				p.ReportIn(from.In.Rng, from.Base.Text.Range(), "%s", r.text(from.Base.Value))
			}
		}
	}})
}
