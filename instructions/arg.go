package instructions

import (
	"strings"

	"slipway/diag"
	"slipway/parser"
)

// parseArg reads ARG NAME[=DEFAULT]…
//
// Upstream: flags are not looked at.
func parseArg(r *request) (Command, *diag.Diagnostic) {
	words := r.words()
	if len(words) == 0 {
		return nil, r.atLeastOne()
	}
	arg := &Arg{Node: Node{r.in}}
	for _, w := range words {
		key, value, ok := strings.Cut(w.Value, "=")
		decl := ArgDecl{Key: key, Word: w}
		if ok {
			if key == "" {
				return nil, diag.Errorf(w.Text.Range(), "ARG names can not be blank")
			}
			decl.Default = &parser.Word{Value: value, Text: w.Text}
			if eq := strings.IndexByte(w.Text.String(), '='); eq >= 0 {
				decl.Default.Text = w.Text.Slice(eq+1, w.Text.Len())
			}
		}
		decl.Doc = docComment(r.in, key)
		arg.Args = append(arg.Args, decl)
	}
	return arg, nil
}
