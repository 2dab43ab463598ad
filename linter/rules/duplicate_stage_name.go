package rules

import (
	"slipway/instructions"
	"slipway/linter"
)

// duplicateStageName reports stages that have the name of an earlier stage.
func duplicateStageName() *linter.Rule {
	r := catalogueDuplicateStageName
	return r.rule(linter.Checks{Stage: func(p *linter.Pass, st *instructions.Stage) {
		if st.Name != "" && p.FirstOf(st.Name) != st {
			p.Report(st.From.Name.Text.Range(), "%s", r.text(st.Name))
		}
	}})
}
