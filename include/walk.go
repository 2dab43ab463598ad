package include

import (
	"path"
	"strings"

	"slipway/diag"
	"slipway/instructions"
	"slipway/internal/suggest"
	"slipway/parser"
)

// walker visits the instructions in the order of the result. It knows the variables before each
// INCLUDE, as long as no file that has not been read precedes it.
type walker struct {
	*resolver
	variables
	unknown bool // whether a file that may set variables has not been read
	stages  bool // whether the first FROM precedes
	pending []*unit
}

// walk decides the INCLUDEs that can be decided. It returns the units whose files must be read
// next.
func (r *resolver) walk(top *unit) ([]*unit, *diag.Diagnostic) {
	w := &walker{resolver: r, variables: newVariables(r.opt.BuildArgs)}
	d := w.unit(top)
	return w.pending, d
}

func (w *walker) unit(u *unit) *diag.Diagnostic {
	for _, it := range u.items {
		in, ok := it.node.(*parser.Instruction)
		if !ok {
			continue
		}
		var d *diag.Diagnostic
		if it.include != nil {
			d = w.include(u, it)
		} else {
			w.instruction(u, in)
		}
		if d != nil {
			return d.In(in.Rng)
		}
	}
	return nil
}

// include decides an INCLUDE, or visits the files of an INCLUDE that has been decided.
func (w *walker) include(u *unit, it *item) *diag.Diagnostic {
	if !it.decided {
		return w.decide(u, it)
	}
	for _, sub := range it.units {
		if sub.file == nil {
			w.unknown = w.unknown || !w.stages
			continue
		}
		if d := w.unit(sub); d != nil {
			return d
		}
	}
	return nil
}

// decide evaluates the condition and the paths of an INCLUDE, if they are known.
func (w *walker) decide(u *unit, it *item) *diag.Diagnostic {
	c := it.include
	var words []parser.Word
	if c.Ext != nil && c.Ext.If != nil {
		for _, cw := range c.Ext.If.Words() {
			words = append(words, c.Ext.If.Word(cw))
		}
	}
	for _, word := range append(words, c.Paths...) {
		if w.unknown && strings.Contains(word.Value, "$") {
			return nil // a file before this one must be read first
		}
	}
	if len(words) > 0 {
		holds, d := w.holds(u.file.Escape, c.Ext.If)
		if d != nil || !holds {
			it.decided = true
			return d
		}
	}
	for _, p := range c.Paths {
		value, d := w.expand(u.file.Escape, p, "an INCLUDE")
		if d != nil {
			return d
		}
		n, d := w.newUnit(u, it, p, value)
		if d != nil {
			return d
		}
		it.units = append(it.units, n)
	}
	it.decided = true
	w.pending = append(w.pending, it.units...)
	w.unknown = w.unknown || !w.stages
	return nil
}

// instruction records the variables of an ARG or LET before the first FROM. Errors are left to
// the parser and the plan.
func (w *walker) instruction(u *unit, in *parser.Instruction) {
	keyword := strings.ToLower(in.Keyword.String())
	if keyword == "from" {
		w.stages = true
	}
	if w.stages || w.unknown || keyword != "arg" && keyword != "let" {
		return
	}
	c, d := instructions.ParseOneGated(in, w.opt.Gate)
	arg, ok := c.(*instructions.Arg)
	if d != nil || !ok {
		return
	}
	w.define(u.file.Escape, arg)
}

// suggestFile returns " (did you mean X?)" if a name is similar to the last element of a path.
func suggestFile(names []string, name string) string {
	match, ok := suggest.Search(path.Base(name), names, true)
	if !ok {
		return ""
	}
	return " (did you mean " + path.Join(path.Dir(name), match) + "?)"
}
