package rules

import (
	"slices"

	"slipway/instructions"
	"slipway/linter"
	"slipway/plan"
)

// multipleInstructionsDisallowed reports each CMD, ENTRYPOINT and HEALTHCHECK that a later
// instruction in the same stage overrides.
//
// Upstream: the message has the keyword of the later instruction, and a # check=skip
// comment above the later instruction skips the rule.
func multipleInstructionsDisallowed() *linter.Rule {
	r := catalogueMultipleInstructionsDisallowed
	return r.rule(linter.Checks{Visit: func(p *linter.Pass, st *plan.Stage, i int) {
		v := st.Visits[i]
		kind := overridingKind(v.Command)
		if kind == "" {
			return
		}
		for _, earlier := range slices.Backward(st.Visits[:i]) {
			if overridingKind(earlier.Command) == kind {
				at := earlier.Command.Syntax()
				p.ReportIn(earlier.Range, at.Keyword.Range(), "%s", r.text(v.Command.Syntax().Keyword.String()))
				return
			}
		}
	}})
}

// overridingKind returns the keyword of an instruction that overrides earlier
// instructions with the same keyword. It returns "" for other instructions.
func overridingKind(c instructions.Command) string {
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
