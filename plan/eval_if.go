package plan

import (
	"errors"
	"fmt"
	"slices"

	"slipway/diag"
	"slipway/dialect"
	"slipway/instructions"
	"slipway/parser"
	"slipway/shell"
	"slipway/source"
)

// evalCondition evaluates a condition with the variables of env. The callback use receives each
// word that is expanded.
func (b *builder) evalCondition(c *instructions.Condition, env shell.Env, use func(parser.Word, shell.Expansion)) (bool, *diag.Diagnostic) {
	ok, err := c.Eval(func(cw dialect.ConditionWord) (string, error) {
		w := c.Word(cw)
		res, d := b.word(b.current.expand, w, env)
		if use != nil {
			use(w, res)
		}
		if d != nil {
			return "", d
		}
		return res.Value, nil
	})
	var d *diag.Diagnostic
	if errors.As(err, &d) {
		return false, d
	}
	return ok, nil
}

// omitStages removes the stages whose IF is false from the plan.
func (b *builder) omitStages() *diag.Diagnostic {
	if !b.isGated() {
		return nil
	}
	d := *b.current.Dockerfile
	d.Stages = nil
	b.current.omitted = map[string]source.Range{}
	var last *instructions.Condition
	for _, st := range b.current.Dockerfile.Stages {
		cond := st.From.If
		if cond != nil {
			last = cond
			ok, d := b.evalCondition(cond, b.current.Globals, nil)
			if d != nil {
				return d.In(st.From.In.Rng)
			}
			if !ok {
				b.omitStage(st)
				continue
			}
			b.lowering(st.From.In).edit(wholeIf(cond), "")
		}
		d.Stages = append(d.Stages, st)
	}
	if len(d.Stages) == 0 {
		return diag.Errorf(last.Keyword.Join(last.Range), "no stage is left: all IF are false").In(b.current.Dockerfile.Stages[0].From.In.Rng)
	}
	b.current.Dockerfile = &d
	if _, given := b.opt.BuildArgs["TARGETSTAGE"]; !given { // the last stage may be another one
		stage, _ := predefined(b).Lookup("TARGETSTAGE")
		b.current.Globals, b.current.Predefined = b.current.Globals.Set("TARGETSTAGE", stage), b.current.Predefined.Set("TARGETSTAGE", stage)
	}
	return nil
}

// wholeIf returns the range of IF and its condition, with the white space before it.
func wholeIf(c *instructions.Condition) source.Range {
	r := c.Keyword.Join(c.Range)
	for r.Start > 0 && (r.File.Bytes[r.Start-1] == ' ' || r.File.Bytes[r.Start-1] == '\t') {
		r.Start--
	}
	return r
}

// omitStage records that a stage of the file does not exist.
func (b *builder) omitStage(st *instructions.Stage) {
	if st.Name != "" {
		b.current.omitted[st.Name] = st.From.If.Keyword
	}
	b.lowering(st.From.In).Omit = true
	for _, c := range st.Commands {
		b.lowering(c.Syntax()).Omit = true
	}
}

// withOmitted adds to the message of d, an error about a stage or an image called name, that
// the stage of this name does not exist.
func (s *Scope) withOmitted(d *diag.Diagnostic, name string) *diag.Diagnostic {
	at, ok := s.omitted[name]
	if ok {
		d.Message += fmt.Sprintf(" (stage %s is left out: its IF in line %d is false)", name, at.Position().Line)
		d.Note(at, "this condition is false")
	}
	return d
}

// earlyConditions decides the conditions of a stage that depend only on variables that are set
// before the first FROM. An instruction whose condition is false then reads no stage or image.
type earlyConditions struct {
	b      *builder
	set    map[string]bool // the names that earlier instructions of the stage and its base stages set
	opaque bool            // whether an earlier instruction sets a name that contains variables
}

// earlyConditions returns the state at the first instruction of the stage st.
func (b *builder) earlyConditions(st *Stage) *earlyConditions {
	x := &earlyConditions{b: b, set: map[string]bool{}}
	if !b.isGated() {
		return x
	}
	for f, ok := st.Base.(*FromStage); ok; f, ok = f.Stage.Base.(*FromStage) {
		for _, c := range f.Stage.Syntax.Commands {
			x.add(c)
		}
	}
	return x
}

// add adds the names that an instruction sets.
func (x *earlyConditions) add(c instructions.Command) {
	switch c := c.(type) {
	case *instructions.Arg:
		for i := range c.Args {
			x.set[c.Args[i].Key] = true
		}
		x.opaque = x.opaque || c.Ext.Flag("file") != nil
	case *instructions.Env:
		for _, p := range c.Pairs {
			name, d := expandWord(x.b.current.expand, p.Key, Env{})
			x.set[name.Value] = true
			x.opaque = x.opaque || d != nil || len(name.Unmatched) > 0
		}
		x.opaque = x.opaque || c.Ext.Flag("file") != nil
	default: // sets no variable
	}
}

// decide reports whether the condition of an instruction holds, if it is known. Instructions
// must be passed in order. Without a condition, nothing is known.
func (x *earlyConditions) decide(c instructions.Command) (holds, known bool, d *diag.Diagnostic) {
	if !x.b.isGated() {
		return false, false, nil
	}
	defer x.add(c)
	ext := c.Extension()
	if ext == nil || ext.If == nil || !x.early(ext.If) {
		return false, false, nil
	}
	holds, d = x.b.evalCondition(ext.If, x.b.current.Globals, nil)
	return holds, d == nil, d
}

// early reports whether the stage sets none of the variables in the condition c, and all of them
// are set before the first FROM.
func (x *earlyConditions) early(c *instructions.Condition) bool {
	for _, cw := range c.Words() {
		res, _ := expandWord(x.b.current.expand, c.Word(cw), x.b.current.Globals)
		names := res.Matched
		for _, u := range res.Unmatched {
			if !x.b.isDeclared(u.Name) {
				return false
			}
			names = append(names, u.Name)
		}
		for _, name := range names {
			if x.opaque || x.set[name] {
				return false
			}
		}
	}
	return true
}

// isDeclared reports whether an ARG or LET before the first FROM declares a variable, perhaps
// without a value.
func (b *builder) isDeclared(name string) bool {
	return slices.ContainsFunc(b.current.Declarations, func(g GlobalArg) bool { return g.Decl.Key == name })
}

// conditionEnv contains the variables that a condition in a stage sees. Variables that
// instructions of the stage set take precedence over variables that are set before the first
// FROM, and these over variables of the base image.
type conditionEnv struct{ e *evaluator }

// Lookup implements shell.Env.
func (c conditionEnv) Lookup(name string) (string, bool) {
	if !c.e.args[name] && !c.e.assigned[name] {
		if v, ok := c.e.b.current.Globals.Lookup(name); ok {
			return v, true
		}
	}
	return c.e.state.Env.Lookup(name)
}

// assign records that an ENV sets a variable.
func (e *evaluator) assign(name string) {
	if e.assigned == nil {
		e.assigned = map[string]bool{}
	}
	e.assigned[name] = true
}

// prepare reports whether the instruction c exists. If it does, prepare declares the variables
// of LET that it uses.
func (e *evaluator) prepare(c boundCommand) (bool, *diag.Diagnostic) {
	if !e.isGated() {
		return true, nil
	}
	if x := c.Extension(); x != nil && x.If != nil && !c.holds {
		ok, d := e.b.evalCondition(x.If, conditionEnv{e}, func(w parser.Word, res shell.Expansion) {
			e.recordUnset(w, slices.DeleteFunc(slices.Clone(res.Unmatched), func(u shell.Use) bool { return e.b.isDeclared(u.Name) }))
		})
		if !ok {
			return false, d
		}
	}
	e.b.dropFlags(c)
	return true, e.declareConstants(c)
}
