package lsp

import (
	"fmt"
	"slices"
	"strings"

	"slipway/lint"
)

// variables offers the variables in scope if the word at the cursor ends with $ or ${ and a part
// of a name. It reports whether it does. In a FROM, only the ARGs above the first FROM are in scope.
func (c *completer) variables(from bool) bool {
	at := strings.LastIndexByte(c.word, '$')
	if at < 0 {
		return false
	}
	typed := strings.TrimPrefix(c.word[at+1:], "{")
	if typed != "" && !isVariableName(typed) {
		return false
	}
	st := c.stage()
	if from {
		st = nil
	}
	declared := c.inScope(st)
	for _, d := range declared {
		c.variable(typed, d)
	}
	for _, name := range c.names.predefined {
		if st == nil {
			c.add(typed, completesVariable, entry{name, "predefined build argument"})
			continue
		}
		c.undeclared(typed, name, "predefined build argument", declared)
	}
	if st != nil {
		for _, p := range c.names.places {
			if p.role == declaresArg && p.scope == global {
				c.undeclared(typed, p.name, fmt.Sprintf("ARG in line %d", c.names.line(p)), declared)
			}
		}
	}
	return true
}

// variable offers a variable with its value and its declaration.
func (c *completer) variable(typed string, d *place) {
	n := len(c.list.Items)
	c.add(typed, completesVariable, entry{d.name, c.snap.describeVariable(c.names, d)})
	if value, set, known := c.snap.value(c.names, d); known && set && n < len(c.list.Items) {
		c.list.Items[n].Detail = value
	}
}

// undeclared offers an ARG that the stage has not declared yet, with an edit that declares it above
// the instruction.
func (c *completer) undeclared(typed, name, text string, declared []*place) {
	if slices.ContainsFunc(declared, func(p *place) bool { return p.name == name }) {
		return
	}
	n := len(c.list.Items)
	c.add(typed, completesVariable, entry{name, text + "\n\ndeclares it in this stage with ARG " + code(name)})
	if n < len(c.list.Items) {
		at := c.snap.file.LineStart(c.snap.file.Position(c.start).Line)
		if in := c.names.instructionAt(c.offset); in >= 0 {
			at = in
		}
		c.list.Items[n].Additional = []textEdit{{Range: c.snap.spanRange(span{at, at}), NewText: "ARG " + name + "\n"}}
	}
}

// instructionAt returns the offset of the instruction that contains an offset, or -1.
func (x *index) instructionAt(offset int) int {
	if x.file.Syntax == nil {
		return -1
	}
	for _, in := range x.file.Syntax.Instructions() {
		if in.Rng.Start <= offset && offset < in.Rng.End {
			return in.Rng.Start
		}
	}
	return -1
}

// inScope returns the latest declaration of each variable before the cursor: in a stage and its
// bases, or above the first FROM if st is nil.
func (c *completer) inScope(st *lint.Stage) []*place {
	scopes := map[int]bool{}
	if st == nil {
		scopes[global] = true
	}
	for ; st != nil; st = st.Base {
		scopes[st.Index] = true
	}
	var list []*place
	for _, p := range slices.Backward(c.names.places) {
		if (p.role == declaresArg || p.role == declaresEnv) && p.start < c.start && scopes[p.scope] &&
			!slices.ContainsFunc(list, func(o *place) bool { return o.name == p.name }) {
			list = append(list, p)
		}
	}
	return list
}
