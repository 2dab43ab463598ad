package lsp

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"slipway/instructions"
	"slipway/lint"
	"slipway/parser"
	"slipway/source"
)

// role is the effect of an occurrence of a name.
type role int

const (
	declaresArg role = iota
	declaresEnv
	usesVariable
	declaresStage
	usesStage
)

// global is the number of the scope above the first FROM. Other scopes have the indexes of stages.
const global = -1

// place is an occurrence of the name of a variable or a stage.
type place struct {
	span
	role  role
	name  string // the name of the variable, or the name of the stage in lower case
	scope int
	in    *lint.Instruction // nil in a FROM and above the first FROM
	let   bool              // whether the declaration is a LET
	stage int               // the index of the stage that is declared or used

	decl   *place // of a use: the declaration before it; nil if it is not in the file
	source *place // of an ARG without a default: the declaration that gives its value, or nil
	parent *place // of the tree of the family
}

// isStage reports whether the name is that of a stage.
func (p *place) isStage() bool { return p.role == declaresStage || p.role == usesStage }

// family returns the representative of all places that have the same variable or stage.
func (p *place) family() *place {
	for p.parent != nil {
		p = p.parent
	}
	return p
}

// join makes the families of two places one.
func (p *place) join(o *place) {
	if a, b := p.family(), o.family(); a != b {
		b.parent = a
	}
}

// origin returns the declaration that gives the variable its value, or nil. For a stage, it is
// the FROM.
func (p *place) origin() *place {
	d := p.decl
	if p.role == declaresArg || p.role == declaresEnv || p.role == declaresStage {
		d = p
	}
	for d != nil && d.source != nil {
		d = d.source
	}
	return d
}

// index contains the names in a document. Immutable.
type index struct {
	file   *lint.File
	places []*place // sorted by offset

	predefined []string // the names of the predefined ARGs
}

// scope maps the names of variables to the declarations that are in effect.
type scope map[string]*place

// indexer builds an index.
type indexer struct {
	*index
	globals scope
	lets    scope    // the LETs above the first FROM, which all stages see
	finals  []scope  // the variables at the end of each stage
	stages  []*place // the declaration of each stage; nil if it has no name
	current scope
	number  int // the number of the current scope
	seen    map[span]bool
}

// newIndex returns the index of a file.
func newIndex(f *lint.File) *index {
	x := &indexer{index: &index{file: f}, globals: scope{}, lets: scope{}, seen: map[span]bool{}}
	if f.Dockerfile == nil {
		return x.index
	}
	if f.Plan != nil {
		x.predefined = f.Plan.Predefined.Keys()
	}
	x.current, x.number = x.globals, global
	for _, a := range f.Dockerfile.Args {
		if f.Contains(a.In.Rng) {
			x.arg(a, nil)
		}
	}
	for i, st := range f.Stages {
		x.addStage(i, st)
	}
	slices.SortStableFunc(x.places, func(a, b *place) int { return a.start - b.start })
	return x.index
}

// addStage adds the names in a stage.
func (x *indexer) addStage(i int, st *lint.Stage) {
	x.current, x.number = x.globals, global
	var name *place
	inherited := scope{}
	if from := st.Syntax.From; !st.Orphan && !st.Foreign {
		x.expand(from.In, nil)
		if base := x.useStage(from.Base.Text.Range(), from.Base.Value, i, nil); base >= 0 {
			inherited = maps.Clone(x.finals[base])
		}
		if st.Syntax.Name != "" {
			name = x.add(&place{span: rangeSpan(from.Name.Text.Range()), role: declaresStage, name: st.Syntax.Name, scope: i, stage: i})
		}
	}
	for name, let := range x.lets {
		if inherited[name] == nil {
			inherited[name] = let
		}
	}
	x.current, x.number = inherited, i
	x.stages = append(x.stages, name)
	for _, in := range st.Instructions {
		if !in.Onbuild {
			x.instruction(in)
		}
	}
	x.finals = append(x.finals, x.current)
}

// add adds a place. It returns nil if the place is not part of the file, or known already.
func (x *indexer) add(p *place) *place {
	if p.start >= p.end || x.seen[p.span] || !strings.EqualFold(string(x.file.Source.Bytes[p.start:p.end]), p.name) && p.role != usesStage {
		return nil
	}
	x.seen[p.span] = true
	x.places = append(x.places, p)
	return p
}

// instruction adds the names in an instruction.
func (x *indexer) instruction(in *lint.Instruction) {
	if c, ok := in.Command.(*instructions.Arg); ok {
		x.arg(c, in)
		return
	}
	if c, ok := in.Command.(*instructions.Run); ok {
		for _, f := range c.In.Flags {
			x.expandText(f.Text, true, in)
		}
		for _, m := range c.Mounts {
			x.useStage(m.FromAt, m.From, in.Stage.Index, in)
		}
		x.scripts(in)
		return
	}
	if c, ok := in.Command.(*instructions.Copy); ok {
		x.useStage(c.From.Text.Range(), c.From.Value, in.Stage.Index, in)
		for _, h := range in.Syntax.Heredocs {
			if h.Expand {
				x.expandText(h.Body.Text(), false, in)
			}
		}
	}
	x.expand(in.Syntax, in)
	if env, ok := in.Command.(*instructions.Env); ok {
		for _, p := range env.Pairs {
			x.declare(p.Key.Value, p.Key, declaresEnv, true, in)
		}
	}
}

// arg adds the names in an ARG.
func (x *indexer) arg(c *instructions.Arg, in *lint.Instruction) {
	for i := range c.Args {
		a := &c.Args[i]
		if a.Default != nil {
			x.expandText(a.Default.Text, true, in)
		}
		x.declare(a.Key, a.Word, declaresArg, a.Default != nil, in)
		if d := x.current[a.Key]; d != nil && c.Let {
			d.let = true
			if in == nil {
				x.lets[a.Key] = d
			}
		}
	}
}

// declare adds a declaration. The word starts with the name, after quotes.
func (x *indexer) declare(name string, w parser.Word, r role, valued bool, in *lint.Instruction) {
	at := strings.Index(w.Text.String(), name)
	if at < 0 || name == "" {
		return
	}
	p := x.add(&place{span: rangeSpan(w.Text.Slice(at, at+len(name)).Range()), role: r, name: name, scope: x.number, in: in})
	if p == nil {
		return
	}
	before := x.current[name]
	if g := x.globals[name]; r == declaresArg && g != nil && x.number != global {
		p.join(g)
		if !valued {
			p.source = g
		}
	}
	if before != nil {
		p.join(before)
		if !valued && p.source == nil {
			p.source = before
		}
	}
	x.current[name] = p
}

// useVariable adds a use of a variable. At run time, only ENV has an effect.
func (x *indexer) useVariable(at source.Range, name string, runtime bool, in *lint.Instruction) {
	d := x.current[name]
	if runtime && d != nil && d.role == declaresArg {
		return
	}
	p := x.add(&place{span: rangeSpan(at), role: usesVariable, name: name, scope: x.number, in: in, decl: d})
	if p != nil && d != nil {
		p.join(d)
	}
}

// useStage adds a use of a stage before the stage with the index limit. It returns the index of the
// used stage, or -1 if no such stage has this name or number.
func (x *indexer) useStage(at source.Range, name string, limit int, in *lint.Instruction) int {
	found := -1
	for i := range x.finals[:min(limit, len(x.finals))] {
		// Of stages with the same name, the build has the one whose condition holds.
		if st := x.file.Stages[i]; st.Syntax.Name == strings.ToLower(name) && name != "" && (found < 0 || st.Plan != nil) {
			found = i
		}
	}
	if n, err := strconv.Atoi(name); found < 0 && in != nil && err == nil && n >= 0 && n < min(limit, len(x.finals)) {
		found = n
	}
	if found < 0 {
		return -1
	}
	if at.IsZero() || !strings.EqualFold(at.String(), name) {
		return found
	}
	p := x.add(&place{span: rangeSpan(at), role: usesStage, name: strings.ToLower(name), scope: x.number, in: in, stage: found})
	if d := x.stages[found]; p != nil && d != nil {
		p.decl = d
		p.join(d)
	}
	return found
}

// rangeSpan returns the offsets of a range.
func rangeSpan(r source.Range) span { return span{r.Start, r.End} }

// at returns the place at an offset, or nil.
func (x *index) at(offset int) *place {
	text := x.file.Source.Bytes
	for _, p := range x.places {
		start := p.start
		if p.role == usesVariable {
			for start > 0 && (text[start-1] == '{' || text[start-1] == '$') && start > p.start-2 {
				start--
			}
		}
		if start <= offset && offset <= p.end {
			return p
		}
	}
	return nil
}

// members returns all places of the family of p.
func (x *index) members(p *place) []*place {
	var list []*place
	for _, o := range x.places {
		if o.family() == p.family() {
			list = append(list, o)
		}
	}
	return list
}
