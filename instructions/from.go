package instructions

import (
	"strings"

	"slipway/diag"
	"slipway/parser"
)

var fromFlags = []flagSpec{{"platform", stringFlag}}

// buildFrom reads a FROM. Its name is checked before its flags.
//
//	from = "FROM" [ "--platform=" platform ] base [ "AS" name ] .
//	name = letter { letter | digit | "-" | "_" | "." } .
func buildFrom(in *parser.Instruction) (Command, *diag.Diagnostic) {
	args := words(in.Args)
	from := &From{Node: Node{in}}
	switch {
	case len(args) == 3 && strings.EqualFold(args[1].Value, "as"):
		from.As, from.Name = args[1], args[2]
		if !validStageName(strings.ToLower(from.Name.Value)) {
			return nil, diag.Errorf(from.Name.Text.Range(), "invalid name for build stage: %q, name can't start with a number or contain symbols", from.Name.Value)
		}
	case len(args) != 1:
		return nil, diag.Errorf(argsRange(in), "FROM requires either one or three arguments")
	}
	from.Base = args[0]
	set, d := parseFlags(in, fromFlags)
	if d != nil {
		return nil, d
	}
	from.Platform = set.word("platform")
	return from, nil
}

// validStageName tells whether a name in lower case can be one of a stage.
func validStageName(name string) bool {
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z':
		case i > 0 && ('0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'):
		default:
			return false
		}
	}
	return name != ""
}
