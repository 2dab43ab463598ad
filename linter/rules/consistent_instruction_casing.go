package rules

import (
	"strings"

	"slipway/instructions"
	"slipway/linter"
	"slipway/parser"
)

// consistentInstructionCasing finds keywords in another case than most have.
// Those in mixed case do not count for either; of as many, upper case wins.
//
// Upstream: ARGs before the first FROM are not looked at, and comments above
// instructions do not skip this rule.
func consistentInstructionCasing() *linter.Rule {
	r := knownConsistentInstructionCasing
	return r.rule(linter.Checks{Dockerfile: func(p *linter.Pass, d *instructions.Dockerfile) {
		lower, upper := 0, 0
		each(d, func(in *parser.Instruction) {
			switch k := in.Keyword.String(); k {
			case strings.ToLower(k):
				lower++
			case strings.ToUpper(k):
				upper++
			}
		})
		want, fold := "uppercase", strings.ToUpper
		if lower > upper {
			want, fold = "lowercase", strings.ToLower
		}
		each(d, func(in *parser.Instruction) {
			if k := in.Keyword.String(); k != fold(k) {
				p.ReportIn(in.Rng, in.Keyword.Range(), "%s", r.text(k, want))
			}
		})
	}})
}

// each calls f for the instructions of all stages.
func each(d *instructions.Dockerfile, f func(*parser.Instruction)) {
	for _, st := range d.Stages {
		f(st.From.In)
		for _, c := range st.Commands {
			f(c.Syntax())
		}
	}
}
