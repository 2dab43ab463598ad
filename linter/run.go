package linter

import (
	"slipway/diag"
	"slipway/instructions"
	"slipway/parser"
	"slipway/plan"
	"slipway/source"
)

// Input contains the representations of a Dockerfile that [Run] checks: the syntax tree,
// the typed instructions and the plan. A representation is nil if an error prevents its
// creation.
type Input struct {
	File       *parser.File
	Dockerfile *instructions.Dockerfile // nil if an instruction is invalid
	Plan       *plan.Plan               // incomplete if planning failed
	FirstError source.Range             // the range of the first invalid instruction; zero if all are valid
}

// Run checks the input with the rules that cfg selects. It returns the warnings in
// upstream's order.
func Run(rules []*Rule, in Input, cfg Config) diag.List {
	p := &Pass{Input: in, fileConfig: cfg}
	w := walker{Pass: p, rules: rules}
	w.file()
	if in.Dockerfile == nil {
		return p.list
	}
	w.dockerfile()
	if in.Plan == nil {
		return p.list
	}
	w.plan()
	return p.list
}

// walker traverses the input and calls the callbacks of the rules.
type walker struct {
	*Pass
	rules []*Rule
}

// each calls the function f once for each rule that w runs. It passes the callbacks of the
// rule to f.
func (w walker) each(f func(*Checks)) {
	for _, w.rule = range w.rules {
		f(&w.rule.Checks)
	}
}

// file calls the callbacks for the file and for its instructions, up to the first invalid
// instruction.
func (w walker) file() {
	w.setElement(source.Range{}, nil)
	w.each(func(c *Checks) {
		if c.File != nil {
			c.File(w.Pass, w.File)
		}
	})
	for _, in := range w.File.Instructions() {
		w.setElement(in.Rng, in)
		w.each(func(c *Checks) {
			if c.Instruction != nil {
				c.Instruction(w.Pass, in)
			}
		})
		if in.Rng.File == w.FirstError.File && in.Rng.End >= w.FirstError.End {
			break
		}
	}
}

// dockerfile calls the Stage callbacks for each stage, and then the Dockerfile callbacks
// for the whole Dockerfile.
func (w walker) dockerfile() {
	for _, st := range w.Dockerfile.Stages {
		w.setElement(st.From.In.Rng, nil)
		w.each(func(c *Checks) {
			if c.Stage != nil {
				c.Stage(w.Pass, st)
			}
		})
	}
	w.setElement(source.Range{}, nil)
	w.each(func(c *Checks) {
		if c.Dockerfile != nil {
			c.Dockerfile(w.Pass, w.Dockerfile)
		}
	})
}

// plan calls the callbacks for the plan: its global arguments, its expanded FROMs, its
// base images and its evaluated instructions.
func (w walker) plan() {
	w.each(func(c *Checks) {
		if c.Globals != nil {
			c.Globals(w.Pass, w.Plan)
		}
	})
	for i := range w.Plan.Froms {
		w.from(&w.Plan.Froms[i])
	}
	for _, st := range w.Plan.Stages {
		if img, ok := st.Base.(*plan.FromImage); ok && st.BaseImage != nil {
			w.setElement(st.Location, nil)
			w.each(func(c *Checks) {
				if c.Base != nil {
					c.Base(w.Pass, st, img)
				}
			})
		}
	}
	for _, st := range w.Plan.Stages {
		for i := range st.Visits {
			w.visit(st, i)
		}
	}
}

// from calls the callbacks for the expanded base and the expanded platform of a FROM.
func (w walker) from(f *plan.From) {
	in := f.Syntax.From.In
	w.setElement(in.Rng, in)
	for _, x := range []*plan.Expansion{&f.Base, f.Platform} {
		if x == nil {
			continue
		}
		w.each(func(c *Checks) {
			if c.From != nil {
				c.From(w.Pass, f, x)
			}
		})
	}
}

// visit calls the callbacks for st.Visits[i], an evaluated instruction of the stage st. It first
// calls the callbacks for the facts about the instruction (see [plan.Fact]), and then the
// callbacks for the instruction itself.
func (w walker) visit(st *plan.Stage, i int) {
	v := st.Visits[i]
	w.setElement(v.Range, v.Command.Syntax())
	for _, f := range v.Facts {
		w.each(func(c *Checks) {
			if c.Fact != nil {
				c.Fact(w.Pass, v, f)
			}
		})
	}
	w.each(func(c *Checks) {
		if c.Visit != nil {
			c.Visit(w.Pass, st, i)
		}
	})
}
