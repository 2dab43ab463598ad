package instructions

import (
	"strings"

	"slipway/parser"
)

// describe returns the description of a stage or an ARG from the comment above it. The
// description is the text after the name of the stage or ARG, in the first line of the
// comment that starts with this name. If no line starts with the name, the description
// is "".
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
