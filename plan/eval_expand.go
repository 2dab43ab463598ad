package plan

import (
	"slipway/diag"
	"slipway/instructions"
	"slipway/parser"
	"slipway/shell"
)

// expandCommand expands the strings of a command in JSON form with --expand. In these strings,
// quotes are ordinary characters. Without --expand, it returns the command unchanged.
func (e *evaluator) expandCommand(c instructions.Command, line instructions.CommandLine) (instructions.CommandLine, *diag.Diagnostic) {
	if x := c.Extension(); x == nil || !x.Expand {
		return line, nil
	}
	var d *diag.Diagnostic
	line.Args, d = e.expandStrings(c, line.Args)
	return line, d
}

// expandTest returns the command of HEALTHCHECK, which it expands if the instruction has
// --expand.
func (e *evaluator) expandTest(c *instructions.Healthcheck) ([]string, *diag.Diagnostic) {
	if c.Ext == nil || !c.Ext.Expand {
		return c.Test, nil
	}
	words, d := e.expandStrings(c, c.Ext.Test)
	if d != nil {
		return nil, d
	}
	test := c.Test[:1:1]
	for _, w := range words {
		test = append(test, w.Value)
	}
	return test, nil
}

// expandStrings expands the strings of a JSON array.
func (e *evaluator) expandStrings(c instructions.Command, list []parser.Word) ([]parser.Word, *diag.Diagnostic) {
	out := make([]parser.Word, 0, len(list))
	for _, w := range list {
		x := e.expand
		x.Mode, x.Escape = shell.NoQuotes, e.b.current.Dockerfile.File.EscapeOf(w.Text.File())
		res, d := e.b.word(x, w, e.state.Env)
		e.recordUnset(w, res.Unmatched)
		if d != nil {
			return nil, d
		}
		e.b.lowering(c.Syntax()).edit(w.Text.Range(), jsonText(res.Value))
		out = append(out, parser.Word{Value: res.Value, Text: w.Text})
	}
	return out, nil
}
