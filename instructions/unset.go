package instructions

import (
	"slices"
	"strings"

	"slipway/diag"
	"slipway/internal/suggest"
	"slipway/parser"
)

// The parts of the image config that UNSET removes: lists, whose elements patterns select, and
// single values.
func unsetLists() []string { return []string{"ENV", "LABEL", "EXPOSE", "VOLUME"} }

func unsetValues() []string {
	return []string{"ALL", "CMD", "ENTRYPOINT", "HEALTHCHECK", "MAINTAINER", "ONBUILD", "SHELL", "STOPSIGNAL", "USER", "WORKDIR"}
}

// buildUnset parses an UNSET instruction.
//
//	unset = "UNSET" ( list pattern { pattern } | value ) .
//	list = "ENV" | "LABEL" | "EXPOSE" | "VOLUME" .
//	value = "CMD" | "ENTRYPOINT" | "HEALTHCHECK" | "SHELL" | "STOPSIGNAL" | "USER" | "WORKDIR" |
//	        "ONBUILD" | "MAINTAINER" | "ALL" .
func buildUnset(in *parser.Instruction) (Command, *diag.Diagnostic) {
	if _, d := parseFlags(in, nil); d != nil {
		return nil, d
	}
	args := words(in.Args)
	all := append(unsetLists(), unsetValues()...)
	slices.Sort(all)
	if len(args) == 0 {
		return nil, diag.Errorf(argsRange(in), "UNSET without a property (use %s)", strings.Join(all, ", "))
	}
	part := args[0]
	part.Value = strings.ToUpper(part.Value)
	switch {
	case slices.Contains(unsetLists(), part.Value):
		if len(args) == 1 {
			return nil, diag.Errorf(part.Text.Range(), "UNSET %s requires at least one name or pattern", part.Value).Hinted("* matches all")
		}
	case !slices.Contains(all, part.Value):
		return nil, diag.Errorf(part.Text.Range(), "UNSET of an unknown property: %s%s (use %s)", part.Value, suggest.Hint(part.Value, all, true), strings.Join(all, ", "))
	case len(args) > 1:
		return nil, diag.Errorf(args[1].Text.Range(), "UNSET %s takes no argument", part.Value)
	}
	return &Unset{Node: Node{In: in}, Part: part, Patterns: args[1:]}, nil
}
