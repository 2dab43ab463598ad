package instructions

import (
	"regexp"
	"strings"

	"slipway/diag"
	"slipway/parser"
)

var onbuildKeyword = regexp.MustCompile(`(?i)^\s*ONBUILD\s*`)

// parseOnbuild reads ONBUILD INSTRUCTION. The trigger is only looked at where
// it runs.
func parseOnbuild(r *request) (Command, *diag.Diagnostic) {
	sub, ok := r.in.Args.(*parser.Sub)
	if !ok {
		return nil, r.atLeastOne()
	}
	if _, d := r.parseFlags(); d != nil {
		return nil, d
	}
	at := sub.Instruction.Keyword.Range()
	switch keyword := strings.ToUpper(sub.Instruction.Keyword.String()); keyword {
	case "ONBUILD":
		return nil, diag.Errorf(at, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
	case "MAINTAINER", "FROM":
		return nil, diag.Errorf(at, "%s isn't allowed as an ONBUILD trigger", keyword)
	}
	var b strings.Builder
	b.WriteString(onbuildKeyword.ReplaceAllString(r.in.Line.String(), ""))
	for _, h := range r.heredocs {
		b.WriteString("\n" + h.Content() + h.Name)
	}
	return &Onbuild{Node: Node{r.in}, Expression: b.String()}, nil
}
