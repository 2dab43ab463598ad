package instructions

import (
	"strings"

	"slipway/parser"
)

// describe finds the description of a stage or an ARG in the comment above it:
// what follows the name in the first line that starts with it.
//
//	description = "#" name " " text .
func describe(in *parser.Instruction, name string) string {
	if name == "" {
		return ""
	}
	for _, c := range in.Doc() {
		if text, ok := strings.CutPrefix(c.String(), name+" "); ok {
			return text
		}
	}
	return ""
}
