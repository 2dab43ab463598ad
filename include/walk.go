package include

import (
	"path"
	"strings"

	"slipway/diag"
	"slipway/dialect"
	"slipway/instructions"
	"slipway/internal/suggest"
	"slipway/parser"
	"slipway/shell"
	"slipway/source"
)

// walker visits the instructions in the order of the result. It knows the variables before each
// INCLUDE, as long as no file that has not been read precedes it.
type walker struct {
	*resolver
	globals shell.Map
	unknown bool // whether a file that may set variables has not been read
	stages  bool // whether the first FROM precedes
	pending []*unit
}

// walk decides the INCLUDEs that can be decided. It returns the units whose files must be read
// next.
func (r *resolver) walk(top *unit) ([]*unit, *diag.Diagnostic) {
	w := &walker{resolver: r, globals: shell.Map{}}
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
		holds, d := w.holds(u, c.Ext.If)
		if d != nil || !holds {
			it.decided = true
			return d
		}
	}
	for _, p := range c.Paths {
		value, d := w.expand(u, p)
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

// holds evaluates the condition of an INCLUDE.
func (w *walker) holds(u *unit, c *instructions.Condition) (bool, *diag.Diagnostic) {
	var failed *diag.Diagnostic
	ok, err := c.Eval(func(cw dialect.ConditionWord) (string, error) {
		word := c.Word(cw)
		res, err := w.expander(u).Expand(word.Value, w.globals)
		for _, use := range res.Unmatched {
			if isPlatformArg(use.Name) {
				failed = w.noPlatform(word, use)
				return "", failed
			}
		}
		if err != nil {
			failed = diag.Errorf(word.Text.Range(), "%w", err)
			return "", failed
		}
		return res.Value, nil
	})
	return ok && err == nil, failed
}

// expander returns the expander for the words of a file.
func (w *walker) expander(u *unit) shell.Expander {
	return shell.Expander{Escape: u.file.Escape, Lookup: dialect.Lookup}
}

// expand expands a path of an INCLUDE. All of its variables must have a value.
func (w *walker) expand(u *unit, p parser.Word) (string, *diag.Diagnostic) {
	res, err := w.expander(u).Expand(p.Value, w.globals)
	if err != nil {
		return "", diag.Errorf(p.Text.Range(), "%w", err)
	}
	if len(res.Unmatched) > 0 {
		use := res.Unmatched[0]
		if isPlatformArg(use.Name) {
			return "", w.noPlatform(p, use)
		}
		return "", diag.Errorf(useRange(p, use), "%s has no value here: an INCLUDE sees only the ARG and LET above the first FROM", use.Name)
	}
	return res.Value, nil
}

// noPlatform returns the error about a platform ARG.
func (*walker) noPlatform(word parser.Word, use shell.Use) *diag.Diagnostic {
	return diag.Errorf(useRange(word, use), "INCLUDE is read once for all platforms: %s has no value here", use.Name)
}

// isPlatformArg reports whether a predefined ARG depends on the platform.
func isPlatformArg(name string) bool {
	switch strings.TrimPrefix(strings.TrimPrefix(name, "TARGET"), "BUILD") {
	case "PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT":
		return strings.HasPrefix(name, "TARGET") || strings.HasPrefix(name, "BUILD")
	}
	return false
}

// useRange returns the range of a variable in a word, or of the word if quotes hide it.
func useRange(w parser.Word, use shell.Use) source.Range {
	if w.Value == w.Text.String() && use.End <= w.Text.Len() {
		return w.Text.Slice(use.Offset, use.End).Range()
	}
	return w.Text.Range()
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
	if arg.Ext != nil && arg.Ext.If != nil {
		if holds, d := w.holds(u, arg.Ext.If); d != nil || !holds {
			return
		}
	}
	for i := range arg.Args {
		decl := &arg.Args[i]
		if v, given := w.opt.BuildArgs[decl.Key]; given && !arg.Let {
			w.globals[decl.Key] = v
		} else if decl.Default != nil {
			if res, err := w.expander(u).Expand(decl.Default.Value, w.globals); err == nil {
				w.globals[decl.Key] = res.Value
			}
		}
	}
}

// suggestFile returns " (did you mean X?)" if a name is similar to the last element of a path.
func suggestFile(names []string, name string) string {
	match, ok := suggest.Search(path.Base(name), names, true)
	if !ok {
		return ""
	}
	return " (did you mean " + path.Join(path.Dir(name), match) + "?)"
}
