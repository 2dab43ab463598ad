package rules

import (
	"slipway/linter"
	"slipway/parser"
)

// noEmptyContinuation reports empty lines inside instructions.
//
// Upstream: the rule reports each instruction once, at the last line before its heredocs.
func noEmptyContinuation() *linter.Rule {
	r := catalogueNoEmptyContinuation
	return r.rule(linter.Checks{File: func(p *linter.Pass, f *parser.File) {
		for _, in := range f.Instructions() {
			if len(in.Gaps) > 0 {
				_, last := in.Head().Lines()
				p.ReportIn(f.Source.LineRange(last, last), in.Gaps[0], "%s", r.text())
			}
		}
	}})
}
