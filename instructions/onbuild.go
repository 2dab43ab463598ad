package instructions

import (
	"strings"

	"slipway/diag"
	"slipway/parser"
)

// buildOnbuild reads an ONBUILD. What kind of instruction follows is checked
// now, its content only by the build that runs it.
//
//	onbuild = "ONBUILD" instruction .
func buildOnbuild(in *parser.Instruction) (Command, *diag.Diagnostic) {
	sub, ok := in.Args.(*parser.Sub)
	if !ok {
		return nil, atLeastOne(in, "ONBUILD")
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
	return &Onbuild{Node: Node{in}, Expression: expression(in)}, nil
}

// expression writes the trigger for image configs: the line without ONBUILD,
// then the heredocs, without a line end behind the last.
//
// Upstream: other white space than this around the keyword stays, and with it
// before ONBUILD, even that.
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
