package instructions

import (
	"slipway/diag"
	"slipway/parser"
)

// buildArg parses an ARG instruction.
//
//	arg = "ARG" declaration { declaration } .
//	declaration = name [ "=" [ default ] ] .
//
// Upstream: flags are ignored, not rejected.
func buildArg(in *parser.Instruction) (Command, *diag.Diagnostic) {
	list := words(in.Args)
	if len(list) == 0 {
		return nil, errAtLeastOne(in, "ARG")
	}
	arg := &Arg{Node: Node{In: in}}
	for _, w := range list {
		key, value, ok := cutWord(w)
		decl := ArgDecl{Key: key.Value, Word: w}
		if ok {
			if key.Value == "" {
				return nil, errBlankName(w.Text.Range(), "ARG")
			}
			decl.Default = &value
		}
		decl.Doc = describe(in, decl.Key)
		arg.Args = append(arg.Args, decl)
	}
	return arg, nil
}
