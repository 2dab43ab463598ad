package instructions

import (
	"slipway/diag"
	"slipway/parser"
)

// buildEnv parses an ENV instruction.
//
//	env = "ENV" ( pair { pair } | key value ) .
//	pair = key "=" [ value ] .
func buildEnv(in *parser.Instruction) (Command, *diag.Diagnostic) {
	p, d := pairs(in, "ENV")
	if d != nil {
		return nil, d
	}
	return &Env{Node: Node{In: in}, Pairs: p.Pairs, Legacy: p.Legacy}, nil
}

// buildLabel parses a LABEL instruction.
//
//	label = "LABEL" ( pair { pair } | key value ) .
func buildLabel(in *parser.Instruction) (Command, *diag.Diagnostic) {
	p, d := pairs(in, "LABEL")
	if d != nil {
		return nil, d
	}
	return &Label{Node: Node{In: in}, Pairs: p.Pairs, Legacy: p.Legacy}, nil
}

// pairs returns the key-value pairs of ENV or LABEL. The parameter name is the keyword
// in error messages.
func pairs(in *parser.Instruction, name string) (*parser.Pairs, *diag.Diagnostic) {
	if _, d := parseFlags(in, nil); d != nil {
		return nil, d
	}
	p, _ := in.Args.(*parser.Pairs)
	if p == nil || len(p.Pairs) == 0 {
		return nil, errAtLeastOne(in, name)
	}
	for _, pair := range p.Pairs {
		if pair.Key.Value == "" {
			return nil, errBlankName(pair.Key.Text.Range().Join(pair.Value.Text.Range()), name)
		}
	}
	return p, nil
}
