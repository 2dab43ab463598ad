package rules

import (
	"slipway/instructions"
	"slipway/linter"
	"slipway/plan"
)

// jsonArgsRecommended finds CMD and ENTRYPOINT in shell form, unless a SHELL
// says which shell is meant.
func jsonArgsRecommended() *linter.Rule {
	r := knownJSONArgsRecommended
	return r.rule(linter.Checks{Visit: func(p *linter.Pass, st *plan.Stage, i int) {
		v := st.Visits[i]
		shell := false
		switch c := v.Command.(type) {
		case *instructions.Cmd:
			shell = c.Shell
		case *instructions.Entrypoint:
			shell = c.Shell
		default: // RUN is for the shell
		}
		if in := v.Command.Syntax(); shell && len(v.Before.Shell) == 0 {
			p.Report(in.Rest.Range(), "%s", r.text(in.Keyword.String()))
		}
	}})
}
