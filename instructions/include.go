package instructions

import (
	"slipway/diag"
	"slipway/parser"
)

// buildInclude parses an INCLUDE instruction.
//
//	include = "INCLUDE" [ "--from=" context ] [ "--if=" condition ] path { path } .
func buildInclude(in *parser.Instruction, ext *Extension) (Command, *diag.Diagnostic) {
	if _, d := parseFlags(in, nil); d != nil {
		return nil, d
	}
	c := &Include{Node: Node{In: in}, Paths: words(in.Args)}
	if ext != nil {
		c.From = ext.From
	}
	if len(c.Paths) == 0 {
		return nil, errAtLeastOne(in, "INCLUDE")
	}
	return c, nil
}
