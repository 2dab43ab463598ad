package rules

import (
	"slipway/instructions"
	"slipway/linter"
)

// duplicateStageName finds stages with the name of an earlier one.
func duplicateStageName() *linter.Rule {
	r := knownDuplicateStageName
	return r.rule(linter.Checks{Stage: func(p *linter.Pass, st *instructions.Stage) {
		if st.Name != "" && p.FirstOf(st.Name) != st {
			p.Report(st.From.Name.Text.Range(), "%s", r.text(st.Name))
		}
	}})
}
