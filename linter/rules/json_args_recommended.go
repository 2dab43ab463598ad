package rules

import (
	"slipway/instructions"
	"slipway/linter"
	"slipway/plan"
)

// jsonArgsRecommended reports CMD and ENTRYPOINT in shell form, unless SHELL selects the
// shell explicitly.
func jsonArgsRecommended() *linter.Rule {
	r := catalogueJSONArgsRecommended
	return r.rule(linter.Checks{Visit: func(p *linter.Pass, st *plan.Stage, i int) {
		v := st.Visits[i]
		shell := false
		switch c := v.Command.(type) {
		case *instructions.Cmd:
			shell = c.Shell
		case *instructions.Entrypoint:
			shell = c.Shell
		default: // RUN usually needs the shell
		}
		if in := v.Command.Syntax(); shell && len(v.Before.Shell) == 0 {
			p.Report(in.Rest.Range(), "%s", r.text(in.Keyword.String()))
		}
	}})
}
