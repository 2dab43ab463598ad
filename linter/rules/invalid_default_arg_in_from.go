package rules

import (
	"github.com/distribution/reference"

	"slipway/dialect"
	"slipway/linter"
	"slipway/plan"
)

// invalidDefaultArgInFrom reports base images whose name is invalid unless build
// arguments are set.
//
// Upstream: the rule stops at the first base image name that cannot be expanded.
func invalidDefaultArgInFrom() *linter.Rule {
	r := catalogueInvalidDefaultArgInFrom
	return r.rule(linter.Checks{Globals: func(p *linter.Pass, pl *plan.Plan) {
		for i, name := range pl.DefaultBases() {
			from := p.Dockerfile.Stages[i].From
			if _, isFile := dialect.ParseFileRef(from.Base.Value); isFile && p.Dockerfile.Gate != nil {
				continue
			}
			if _, err := reference.ParseNormalizedNamed(name); err != nil {
				p.ReportIn(from.In.Rng, from.Base.Text.Range(), "%s", r.text(from.Base.Value))
			}
		}
	}})
}
