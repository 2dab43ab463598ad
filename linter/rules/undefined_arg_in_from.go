package rules

import (
	"slipway/internal/suggest"
	"slipway/linter"
	"slipway/parser"
	"slipway/plan"
	"slipway/shell"
	"slipway/source"
)

// undefinedArgInFrom reports variables in FROM that no global ARG declares.
func undefinedArgInFrom() *linter.Rule {
	r := catalogueUndefinedArgInFrom
	return r.rule(linter.Checks{From: func(p *linter.Pass, _ *plan.From, x *plan.Expansion) {
		if len(x.Result.Unmatched) == 0 {
			return
		}
		names := p.Plan.Globals.Keys()
		declared := map[string]bool{}
		for _, g := range p.Plan.Declarations {
			names = append(names, g.Decl.Key)
			declared[g.Decl.Key] = true
		}
		for _, u := range x.Result.Unmatched {
			if !declared[u.Name] {
				near, _ := suggest.Search(u.Name, names, true)
				p.Report(useRange(x.Word, u), "%s", r.text(u.Name, near))
			}
		}
	}})
}

// useRange returns the range of a variable in a word. If quotes or escapes hide the
// variable's position, it returns the range of the whole word.
func useRange(w parser.Word, u shell.Use) source.Range {
	if w.Value != w.Text.String() || u.End > w.Text.Len() {
		return w.Text.Range()
	}
	return w.Text.Slice(u.Offset, u.End).Range()
}
