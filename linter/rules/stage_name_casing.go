package rules

import (
	"strings"

	"slipway/linter"
	"slipway/parser"
)

// stageNameCasing finds names of stages that are not in lower case, even of a
// FROM with an error.
func stageNameCasing() *linter.Rule {
	r := knownStageNameCasing
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

// fromArgs returns the arguments of a FROM, however many there are.
func fromArgs(in *parser.Instruction) ([]parser.Word, bool) {
	if !strings.EqualFold(in.Keyword.String(), "from") {
		return nil, false
	}
	args, ok := in.Args.(*parser.Words)
	if !ok {
		return nil, false
	}
	return args.Words, true
}
