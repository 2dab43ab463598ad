package instructions

import (
	"strings"

	"slipway/diag"
	"slipway/parser"
)

// buildOnbuild parses an ONBUILD instruction. It checks only the keyword of the
// trigger, the instruction after ONBUILD. The build that executes the trigger checks
// its arguments.
//
//	onbuild = "ONBUILD" instruction .
func buildOnbuild(in *parser.Instruction) (Command, *diag.Diagnostic) {
	sub, ok := in.Args.(*parser.Sub)
	if !ok {
		return nil, errAtLeastOne(in, "ONBUILD")
	}
	if _, d := parseFlags(in, nil); d != nil {
		return nil, d
	}
	at := sub.Instruction.Keyword
	switch name := strings.ToUpper(strings.TrimSpace(at.String())); name {
	case "ONBUILD":
		return nil, diag.Errorf(at.Range(), "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
	case "MAINTAINER", "FROM":
		return nil, diag.Errorf(at.Range(), "%s isn't allowed as an ONBUILD trigger", name)
	}
	return &Onbuild{Node: Node{In: in}, Expression: expression(in)}, nil
}

// expression returns the trigger in the format of image configs: the line without
// ONBUILD, followed by the heredocs, without a trailing newline.
//
// Upstream: only ASCII white space is trimmed around the keyword. If other white space
// precedes ONBUILD, the result still contains the keyword.
func expression(in *parser.Instruction) string {
	const keyword, space = "ONBUILD", "\t\n\f\r "
	line := in.Line.String()
	if s := strings.TrimLeft(line, space); len(s) >= len(keyword) && strings.EqualFold(s[:len(keyword)], keyword) {
		line = strings.TrimLeft(s[len(keyword):], space)
	}
	var b strings.Builder
	b.WriteString(line)
	for _, h := range in.Heredocs {
		b.WriteByte('\n')
		b.WriteString(h.Content())
		b.WriteString(h.Name)
	}
	return b.String()
}
