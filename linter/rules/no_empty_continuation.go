package rules

import (
	"slipway/linter"
	"slipway/parser"
)

// noEmptyContinuation finds empty lines inside of instructions.
//
// Upstream: reports each instruction once, with the last line before its
// heredocs.
func noEmptyContinuation() *linter.Rule {
	r := knownNoEmptyContinuation
	return r.rule(linter.Checks{File: func(p *linter.Pass, f *parser.File) {
		for _, in := range f.Instructions() {
			if len(in.Gaps) > 0 {
				_, last := in.Head().Lines()
				p.ReportIn(f.Source.LineRange(last, last), in.Gaps[0], "%s", r.text())
			}
		}
	}})
}
