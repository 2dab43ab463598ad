package rules

import (
	"strings"

	"slipway/linter"
	"slipway/parser"
)

// fromAsCasing reports a keyword AS whose case differs from the case of the FROM in the
// same line. It accepts any AS after a FROM in mixed case, which
// consistentInstructionCasing reports.
func fromAsCasing() *linter.Rule {
	r := catalogueFromAsCasing
	return r.rule(linter.Checks{Instruction: func(p *linter.Pass, in *parser.Instruction) {
		args, ok := fromArgs(in)
		if !ok || len(args) < 3 {
			return
		}
		from, as := in.Keyword.String(), args[1]
		want := as.Value
		switch from {
		case strings.ToLower(from):
			want = strings.ToLower(want)
		case strings.ToUpper(from):
			want = strings.ToUpper(want)
		}
		if as.Value != want {
			p.Report(as.Text.Range(), "%s", r.text(from, as.Value))
		}
	}})
}
