package rules

import (
	"strings"

	"slipway/linter"
	"slipway/parser"
)

// stageNameCasing reports stage names that are not in lower case, even in an invalid
// FROM.
func stageNameCasing() *linter.Rule {
	r := catalogueStageNameCasing
	return r.rule(linter.Checks{Instruction: func(p *linter.Pass, in *parser.Instruction) {
		args, ok := fromArgs(in)
		if !ok || len(args) != 3 {
			return
		}
		if name := args[2]; name.Value != strings.ToLower(name.Value) {
			p.Report(name.Text.Range(), "%s", r.text(name.Value))
		}
	}})
}

// fromArgs returns the arguments of a FROM, even if their number is invalid. ok is false
// for other instructions.
func fromArgs(in *parser.Instruction) (args []parser.Word, ok bool) {
	if !strings.EqualFold(in.Keyword.String(), "from") {
		return nil, false
	}
	list, ok := in.Args.(*parser.Words)
	if !ok {
		return nil, false
	}
	return list.Words, true
}
