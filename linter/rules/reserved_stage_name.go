package rules

import (
	"slipway/instructions"
	"slipway/linter"
)

// reservedStageName finds stages with names that mean something else.
func reservedStageName() *linter.Rule {
	r := knownReservedStageName
	return r.rule(linter.Checks{Stage: func(p *linter.Pass, st *instructions.Stage) {
		if st.Name == "scratch" || st.Name == "context" {
			p.Report(st.From.Name.Text.Range(), "%s", r.text(st.Name))
		}
	}})
}
