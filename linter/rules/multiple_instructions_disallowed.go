package rules

import (
	"slices"

	"slipway/instructions"
	"slipway/linter"
	"slipway/plan"
)

// multipleInstructionsDisallowed finds CMD, ENTRYPOINT and HEALTHCHECK that a
// later one of the stage replaces. The earlier one is reported.
//
// Upstream: with the keyword as the later one spells it, and skipped by the
// comment above that.
func multipleInstructionsDisallowed() *linter.Rule {
	r := knownMultipleInstructionsDisallowed
	return r.rule(linter.Checks{Visit: func(p *linter.Pass, st *plan.Stage, i int) {
		v := st.Visits[i]
		kind := onlyOnce(v.Command)
		if kind == "" {
			return
		}
		for _, earlier := range slices.Backward(st.Visits[:i]) {
			if onlyOnce(earlier.Command) == kind {
				at := earlier.Command.Syntax()
				p.ReportIn(earlier.Range, at.Keyword.Range(), "%s", r.text(v.Command.Syntax().Keyword.String()))
				return
			}
		}
	}})
}

// onlyOnce returns the kind of an instruction of which the last one counts, or
// "".
func onlyOnce(c instructions.Command) string {
	switch c.(type) {
	case *instructions.Cmd:
		return "CMD"
	case *instructions.Entrypoint:
		return "ENTRYPOINT"
	case *instructions.Healthcheck:
		return "HEALTHCHECK"
	default:
		return ""
	}
}
