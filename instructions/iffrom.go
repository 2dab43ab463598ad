package instructions

import (
	"slices"
	"strings"

	"slipway/diag"
	"slipway/parser"
	"slipway/source"
)

// buildConditionalFrom parses a FROM of a file with a gate. The condition comes last, so that
// tools that look for images in FROM still find them.
//
//	from = "FROM" [ "--platform=" platform ] base [ "AS" name ] [ "IF" condition ] .
func buildConditionalFrom(in *parser.Instruction) (Command, *diag.Diagnostic) {
	args := words(in.Args)
	i := slices.IndexFunc(args, func(w parser.Word) bool { return strings.EqualFold(w.Value, "if") })
	if i < 1 || i == 2 && len(args) == 3 { // FROM base AS if
		return buildFrom(in)
	}
	at := args[i].Text.Range()
	start := strings.Index(in.Rest.String(), args[i].Text.String())
	for in.Rest.Offset(start) != at.Start {
		start += 1 + strings.Index(in.Rest.String()[start+1:], args[i].Text.String())
	}
	plain := *in
	plain.Args = &parser.Words{Words: args[:i]}
	plain.Rest = in.Rest.Slice(0, start).TrimSpace(func(c byte) bool { return c == ' ' || c == '\t' })
	c, d := buildFrom(&plain)
	if d != nil {
		return nil, d
	}
	text := in.Rest.Slice(start+args[i].Text.Len(), in.Rest.Len())
	from := c.(*From) //nolint:forcetypeassert // see buildFrom
	from.In = in
	from.If, d = newCondition(text.String(), func(i, j int) source.Range {
		if i == j {
			return at
		}
		return text.Slice(i, j).Range()
	})
	if d != nil {
		return nil, d
	}
	from.If.Keyword = at
	return from, nil
}
