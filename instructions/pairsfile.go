package instructions

import (
	"slipway/diag"
	"slipway/parser"
)

// buildPairsFile parses an ENV or LABEL whose pairs are in a file of the build context.
//
//	pairs = ( "ENV" | "LABEL" ) "--file=" path .
func buildPairsFile(in *parser.Instruction, keyword string, file *parser.Flag) (Command, *diag.Diagnostic) {
	if _, d := parseFlags(in, nil); d != nil {
		return nil, d
	}
	if in.Rest.Len() > 0 {
		return nil, diag.Errorf(in.Rest.Range(), "%s takes no pairs, they are in the file", file.Text)
	}
	if keyword == "label" {
		return &Label{Node: Node{In: in}}, nil
	}
	return &Env{Node: Node{In: in}}, nil
}
