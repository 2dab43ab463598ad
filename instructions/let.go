package instructions

import (
	"slipway/diag"
	"slipway/dialect"
	"slipway/parser"
)

// buildLet parses a LET instruction. It does not know whether the instruction is in a stage,
// where each variable needs a value.
//
//	let = "LET" [ "--if=" condition ] ( name { name } | pair { pair } | "--file=" path ) .
func buildLet(in *parser.Instruction) (Command, *diag.Diagnostic) {
	if _, d := parseFlags(in, nil); d != nil {
		return nil, d
	}
	c := &Arg{Node: Node{In: in}, Let: true}
	for _, w := range words(in.Args) {
		key, value, ok := cutWord(w)
		if !dialect.IsName(key.Value) {
			if w.Value == "=" {
				return nil, diag.Errorf(w.Text.Range(), "LET has spaces around = (write NAME=VALUE)")
			}
			return nil, diag.Errorf(key.Text.Range(), "invalid name of a variable: %q", key.Value)
		}
		decl := ArgDecl{Key: key.Value, Word: w}
		if ok {
			decl.Default = &value
		}
		if first := len(c.Args) > 0; first && (c.Args[0].Default == nil) != !ok {
			return nil, diag.Errorf(w.Text.Range(), "LET has variables with a value, or without, but not both")
		}
		c.Args = append(c.Args, decl)
	}
	return c, nil
}

// checkLet checks that LET has either variables or --file.
func checkLet(c *Arg) *diag.Diagnostic {
	file := c.Ext.Flag("file")
	switch {
	case file == nil && len(c.Args) == 0:
		return errAtLeastOne(c.In, "LET")
	case file != nil && len(c.Args) > 0:
		return diag.Errorf(c.Args[0].Word.Text.Range(), "LET --file takes no variables, they are in the file")
	}
	return nil
}
