package instructions

import (
	"regexp"
	"strings"

	"slipway/diag"
	"slipway/parser"
)

// stageName is what the name of a stage looks like, in lower case.
var stageName = regexp.MustCompile("^[a-z][a-z0-9-_.]*$")

// parseFrom reads FROM [--platform=P] BASE [AS NAME].
func parseFrom(r *request) (Command, *diag.Diagnostic) {
	words := r.words()
	from := &From{Node: Node{r.in}}
	switch {
	case len(words) == 3 && strings.EqualFold(words[1].Value, "as"):
		from.As, from.Name = words[1], words[2]
		if !stageName.MatchString(strings.ToLower(from.Name.Value)) {
			return nil, diag.Errorf(from.Name.Text.Range(), "invalid name for build stage: %q, name can't start with a number or contain symbols", from.Name.Value)
		}
	case len(words) != 1:
		return nil, r.errorf("FROM requires either one or three arguments")
	}
	values, d := r.parseFlags(flag{"platform", text})
	if d != nil {
		return nil, d
	}
	from.Base = words[0]
	from.Platform = values.word("platform")
	return from, nil
}

// docComment returns what the comments above an instruction say of a name: the
// rest of the first line that starts with it.
func docComment(in *parser.Instruction, name string) string {
	if name == "" {
		return ""
	}
	for _, c := range in.Doc {
		if rest, ok := strings.CutPrefix(c.Text.String(), name+" "); ok {
			return rest
		}
	}
	return ""
}
