package instructions

import (
	"slices"
	"strings"

	"slipway/diag"
	"slipway/parser"
)

// fromFlags lists the flags of FROM.
var fromFlags = []flagSpec{{"platform", stringFlag}}

// buildFrom parses a FROM instruction. Like upstream, it validates the stage name before
// the flags.
//
//	from = "FROM" [ "--platform=" platform ] base [ "AS" name ] .
//	name = letter { letter | digit | "-" | "_" | "." } .
func buildFrom(in *parser.Instruction) (Command, *diag.Diagnostic) {
	args := words(in.Args)
	from := &From{Node: Node{In: in}}
	switch {
	case len(args) == 3 && strings.EqualFold(args[1].Value, "as"):
		from.As, from.Name = args[1], args[2]
		if !validStageName(strings.ToLower(from.Name.Value)) {
			return nil, diag.Errorf(from.Name.Text.Range(), "invalid name for build stage: %q, name can't start with a number or contain symbols", from.Name.Value)
		}
	case len(args) != 1:
		return nil, errOneOrThree(in, args)
	}
	from.Base = args[0]
	set, d := parseFlags(in, fromFlags)
	if d != nil {
		return nil, d
	}
	from.Platform = set.word("platform")
	return from, nil
}

// errOneOrThree returns the error for a FROM with the wrong number of arguments, with a
// hint at the probable mistake.
func errOneOrThree(in *parser.Instruction, args []parser.Word) *diag.Diagnostic {
	d := diag.Errorf(argsRange(in), "FROM requires either one or three arguments")
	comment := slices.IndexFunc(args, func(w parser.Word) bool { return strings.HasPrefix(w.Value, "#") })
	switch {
	case len(args) == 0:
		return d
	case comment > 0:
		d.Range = args[comment].Text.Range().Join(d.Range)
		d.Range.Start = args[comment].Text.Range().Start
		return d.Hinted("comments must be on a separate line")
	case slices.ContainsFunc(in.Flags, func(f parser.Flag) bool { return !f.HasValue }):
		return hintMissingEquals(d, in)
	case len(args) == 2 && strings.EqualFold(args[1].Value, "as"):
		return d.Hinted("the name after %s is missing", args[1].Value)
	case len(args) == 2:
		return d.Hinted("a stage is named with AS, write FROM %s AS %s", args[0].Value, args[1].Value)
	}
	return d
}

// validStageName reports whether name is a valid stage name. The caller must convert name
// to lower case first.
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
