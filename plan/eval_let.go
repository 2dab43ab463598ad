package plan

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"slipway/diag"
	"slipway/dialect"
	"slipway/instructions"
	"slipway/parser"
	"slipway/source"
)

// constant is a variable that LET before the first FROM makes visible in every stage.
type constant struct {
	decl instructions.ArgDecl
	let  *instructions.Arg
}

// defineConstants evaluates a LET before the first FROM. Its variables are global ARGs that
// build arguments do not change, and each stage that uses one declares it.
func (b *builder) defineConstants(ctx context.Context, c *instructions.Arg) *diag.Diagnostic {
	if c.Ext != nil && c.Ext.If != nil {
		if ok, d := b.evalCondition(c.Ext.If, b.current.Globals, nil); !ok {
			b.lowering(c.In).Omit = true
			return d
		}
	}
	b.dropFlags(c)
	if c.Ext.Flag("file") != nil {
		return b.defineFile(ctx, c)
	}
	for i := range c.Args {
		decl := &c.Args[i]
		b.current.constants = append(b.current.constants, constant{*decl, c})
		if decl.Default == nil {
			b.lowering(c.In).Omit = true
			if d := b.checkDeclared(decl); d != nil {
				return d
			}
			continue
		}
		res, d := b.word(b.current.expand, *decl.Default, b.current.Globals)
		if d != nil {
			return d
		}
		b.lowerMapped(c, *decl.Default, res)
		b.lowering(c.In).edit(c.In.Keyword.Range(), "ARG")
		b.define(GlobalArg{Decl: decl, In: c, Value: res.Value, Set: true, Uses: res.Matched})
	}
	return nil
}

// define sets a global variable.
func (b *builder) define(g GlobalArg) {
	b.current.Globals = b.current.Globals.Set(g.Decl.Key, g.Value)
	b.current.Declarations = append(b.current.Declarations, g)
}

// checkDeclared returns an error if no ARG above declares the variable in a LET without a value.
func (b *builder) checkDeclared(decl *instructions.ArgDecl) *diag.Diagnostic {
	names := b.current.Globals.Keys()
	for _, g := range b.current.Declarations {
		if g.Decl.Key == decl.Key {
			return nil
		}
		names = append(names, g.Decl.Key)
	}
	if _, ok := b.current.Globals.Lookup(decl.Key); ok {
		return nil
	}
	return diag.Errorf(decl.Word.Text.Range(), "LET %s has no value, and there is no ARG %s above%s", decl.Key, decl.Key, didYouMean(decl.Key, names))
}

// defineFile evaluates a LET --file before the first FROM.
func (b *builder) defineFile(ctx context.Context, c *instructions.Arg) *diag.Diagnostic {
	list, d := b.readVariables(ctx, c, b.current.Globals)
	if d != nil {
		return d
	}
	for _, v := range list {
		decl := &instructions.ArgDecl{Key: v.Key, Word: parser.Word{Value: v.Key, Text: c.Ext.File.Text}}
		b.current.constants = append(b.current.constants, constant{*decl, c})
		b.define(GlobalArg{Decl: decl, In: c, Value: v.Value, Set: true})
	}
	b.lowerFile("ARG", c, list)
	return nil
}

// let evaluates a LET in a stage. It is like ARG, except that build arguments have no effect.
func (e *evaluator) let(c *instructions.Arg) *diag.Diagnostic {
	if c.Ext.Flag("file") != nil {
		return e.letFile(c)
	}
	list := make([]ArgValue, 0, len(c.Args))
	for i := range c.Args {
		decl := &c.Args[i]
		if decl.Default == nil {
			return diag.Errorf(decl.Word.Text.Range(), "LET without a value is for the top of the file")
		}
		e.recordFact(&Assigned{Key: decl.Key, Word: decl.Word})
		v, d := e.word(*decl.Default)
		if d != nil {
			return d
		}
		a := ArgValue{Key: decl.Key, Value: v, Set: true}
		e.setArg(a)
		e.b.lowerConstant(e.b.lowering(c.In), decl.Word.Text.Range(), decl.Key)
		list = append(list, a)
	}
	e.b.lowering(c.In).edit(c.In.Keyword.Range(), "ARG")
	e.commitArgs(list)
	return nil
}

// letFile evaluates a LET --file in a stage.
func (e *evaluator) letFile(c *instructions.Arg) *diag.Diagnostic {
	list, d := e.b.readVariables(e.ctx, c, e.state.Env)
	if d != nil {
		return d
	}
	var args []ArgValue
	for _, v := range list {
		a := ArgValue{Key: v.Key, Value: v.Value, Set: true}
		e.setArg(a)
		args = append(args, a)
	}
	e.b.lowerFile("ARG", c, list)
	e.commitArgs(args)
	return nil
}

// setArg sets a variable as ARG does.
func (e *evaluator) setArg(a ArgValue) {
	if a.Set && !NotExported(a.Key) {
		e.state.Env = e.state.Env.Set(a.Key, a.Value)
	}
	e.declare(a)
}

// commitArgs appends the history entry of an ARG.
func (e *evaluator) commitArgs(list []ArgValue) {
	var line strings.Builder
	line.WriteString("ARG")
	for _, a := range list {
		line.WriteString(" " + a.Key)
		if a.Set {
			line.WriteString("=" + a.Value)
		}
	}
	e.commit(line.String(), false)
}

// declareConstants declares the variables of LET before the first FROM that the instruction c
// uses and that the stage does not have yet. Each of them is an ARG above the instruction. Steps
// before the instruction therefore do not depend on it.
func (e *evaluator) declareConstants(c boundCommand) *diag.Diagnostic {
	for i := range e.b.current.constants {
		k := &e.b.current.constants[i]
		name := k.decl.Key
		if _, set := e.state.Env.Lookup(name); set || e.args[name] || !mentions(c.Syntax(), name) {
			continue
		}
		a := ArgValue{Key: name, Global: true}
		a.Value, a.Set = e.b.current.Globals.Lookup(name)
		current := e.visit
		e.visit = &Visit{
			Command: &instructions.Arg{Node: k.let.Node, Let: true, Args: []instructions.ArgDecl{k.decl}},
			Range:   k.let.In.Rng,
			Before:  e.state,
		}
		e.st.Visits = append(e.st.Visits, e.visit)
		e.setArg(a)
		e.commitArgs([]ArgValue{a})
		e.visit = current
		l := e.b.lowering(c.Syntax())
		line := "ARG " + name
		if a.Set {
			line += "=" + quotedLiteral(a.Value, e.b.Dockerfile.File.Escape)
			l.oneLine(k.decl.Word.Text.Range(), name, a.Value)
			e.b.lowerConstant(l, k.decl.Word.Text.Range(), name)
		}
		l.Above = append(l.Above, line)
	}
	return e.b.tooLarge(source.Range{})
}

// mentions reports whether the text of an instruction contains $name or ${name. It does not look
// at comments and at flags that extend the language.
func mentions(in *parser.Instruction, name string) bool {
	for _, f := range in.Flags {
		if _, extends := dialect.Find(in.Keyword.String(), f.Name); !extends && mentionsIn(f.Raw, name) {
			return true
		}
	}
	if mentionsIn(in.Rest.String(), name) {
		return true
	}
	for _, h := range in.Heredocs {
		if mentionsIn(h.Content(), name) {
			return true
		}
	}
	return false
}

// mentionsIn reports whether a text contains $name or ${name.
func mentionsIn(text, name string) bool {
	for {
		i := strings.IndexByte(text, '$')
		if i < 0 {
			return false
		}
		text = strings.TrimPrefix(text[i+1:], "{")
		if rest, ok := strings.CutPrefix(text, name); ok {
			if r, _ := utf8.DecodeRuneInString(rest); rest == "" || r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
				return true
			}
		}
	}
}
