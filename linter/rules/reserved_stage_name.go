package rules

import (
	"slipway/instructions"
	"slipway/linter"
)

// reservedStageName reports stages with the name scratch or context, which have a special
// meaning.
func reservedStageName() *linter.Rule {
	r := catalogueReservedStageName
	return r.rule(linter.Checks{Stage: func(p *linter.Pass, st *instructions.Stage) {
		if st.Name == "scratch" || st.Name == "context" {
			p.Report(st.From.Name.Text.Range(), "%s", r.text(st.Name))
		}
	}})
}
