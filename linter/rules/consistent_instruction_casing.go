package rules

import (
	"strings"

	"slipway/instructions"
	"slipway/linter"
	"slipway/parser"
)

// consistentInstructionCasing reports keywords whose case differs from the majority of
// the file. Keywords in mixed case do not count towards the majority. If lower and upper
// case are equally frequent, the rule expects upper case.
//
// Upstream: the rule ignores ARGs before the first FROM, and # check=skip comments above
// instructions.
func consistentInstructionCasing() *linter.Rule {
	r := catalogueConsistentInstructionCasing
	return r.rule(linter.Checks{Dockerfile: func(p *linter.Pass, d *instructions.Dockerfile) {
		lower, upper := 0, 0
		eachInstruction(d, func(in *parser.Instruction) {
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
		eachInstruction(d, func(in *parser.Instruction) {
			if k := in.Keyword.String(); k != fold(k) {
				p.ReportIn(in.Rng, in.Keyword.Range(), "%s", r.text(k, want))
			}
		})
	}})
}

// eachInstruction calls f for every instruction in all stages.
func eachInstruction(d *instructions.Dockerfile, f func(*parser.Instruction)) {
	for _, st := range d.Stages {
		f(st.From.In)
		for _, c := range st.Commands {
			f(c.Syntax())
		}
	}
}
