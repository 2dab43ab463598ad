package script

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// scope is the context in which a statement runs.
type scope struct {
	top   bool  // whether the statement runs in the script's own shell, and not in a branch, loop or function
	piped bool  // whether the statement reads the output of another command
	vars  *vars // the variables that the script has assigned so far
}

// vars is a list of assignments, the latest first. It is immutable, so that several scopes can
// share the start of a list.
type vars struct {
	name, value string
	known       bool
	before      *vars
}

// maxAssignments is the number of assignments in which the value of a variable is searched.
const maxAssignments = 1000

// walker traverses the syntax tree of a script and collects its commands.
type walker struct {
	script *Script
	lookup func(string) (string, bool)
	inner  []*Script
}

// value returns the value of a variable in a scope. ok is false if it is not certain.
func (w *walker) value(name string, vs *vars) (value string, ok bool) {
	for n := 0; vs != nil; vs = vs.before {
		if vs.name == name {
			return vs.value, vs.known
		}
		if n++; n > maxAssignments {
			return "", false
		}
	}
	if w.lookup == nil {
		return "", false
	}
	return w.lookup(name)
}

// stmts walks a list of statements and returns the scope after the last one.
func (w *walker) stmts(list []*syntax.Stmt, in scope) scope {
	for _, st := range list {
		in = w.stmt(st, in)
	}
	return in
}

// stmt walks a statement and returns the scope after it.
func (w *walker) stmt(st *syntax.Stmt, in scope) scope {
	if st == nil {
		return in
	}
	for _, r := range st.Redirs {
		w.substitutions(r.Word, in)
		w.substitutions(r.Hdoc, in)
	}
	if st.Background {
		w.command(st, scope{vars: in.vars})
		return in
	}
	return w.command(st, in)
}

// command walks the command of a statement and returns the scope after it.
func (w *walker) command(st *syntax.Stmt, in scope) scope {
	branch := scope{vars: in.vars}
	switch c := st.Cmd.(type) {
	case *syntax.CallExpr:
		return w.call(c, st, in)
	case *syntax.DeclClause:
		for _, a := range c.Args {
			in = w.assign(a, in)
		}
	case *syntax.BinaryCmd:
		return w.binary(c, in)
	case *syntax.Block:
		after := w.stmts(c.Stmts, branch)
		in.vars = after.vars
	case *syntax.Subshell:
		w.stmts(c.Stmts, branch)
	case *syntax.IfClause:
		return w.ifClause(c, in)
	case *syntax.WhileClause:
		branch.vars = w.forget(c, in.vars)
		after := w.stmts(c.Do, w.stmts(c.Cond, branch))
		in.vars = merge(in.vars, after.vars)
	case *syntax.ForClause:
		if it, ok := c.Loop.(*syntax.WordIter); ok {
			for _, word := range it.Items {
				w.substitutions(word, in)
			}
		}
		branch.vars = w.forget(c, in.vars)
		after := w.stmts(c.Do, branch)
		in.vars = merge(in.vars, after.vars)
	case *syntax.CaseClause:
		w.substitutions(c.Word, in)
		for _, item := range c.Items {
			after := w.stmts(item.Stmts, branch)
			in.vars = merge(in.vars, after.vars)
		}
	case *syntax.FuncDecl:
		after := w.stmt(c.Body, branch)
		in.vars = merge(in.vars, after.vars)
	case *syntax.TimeClause:
		return w.stmt(c.Stmt, in)
	case *syntax.CoprocClause:
		w.stmt(c.Stmt, branch)
	}
	return in
}

// binary walks two statements with an operator between them. The right side of || and both
// sides of a pipe are not part of the top level.
func (w *walker) binary(c *syntax.BinaryCmd, in scope) scope {
	branch := scope{vars: in.vars}
	switch c.Op {
	case syntax.AndStmt:
		return w.stmt(c.Y, w.stmt(c.X, in))
	case syntax.OrStmt:
		in = w.stmt(c.X, in)
		after := w.stmt(c.Y, scope{vars: in.vars})
		in.vars = merge(in.vars, after.vars)
	default: // pipes
		w.stmt(c.X, branch)
		branch.piped = true
		w.stmt(c.Y, branch)
	}
	return in
}

// ifClause walks the conditions and branches of an if command.
func (w *walker) ifClause(c *syntax.IfClause, in scope) scope {
	for ; c != nil; c = c.Else {
		cond := w.stmts(c.Cond, scope{vars: in.vars})
		after := w.stmts(c.Then, cond)
		in.vars = merge(in.vars, after.vars)
	}
	return in
}

// merge returns the list before, extended by a variable without a certain value for each
// assignment that the list after has in addition.
func merge(before, after *vars) *vars {
	list := before
	for vs := after; vs != nil && vs != before; vs = vs.before {
		list = &vars{name: vs.name, before: list}
	}
	return list
}

// forget returns the list vs, extended by a variable without a certain value for each variable
// that the node assigns. A loop may use a value of its last iteration.
func (w *walker) forget(n syntax.Node, vs *vars) *vars {
	syntax.Walk(n, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Assign:
			if n.Name != nil {
				vs = &vars{name: n.Name.Value, before: vs}
			}
		case *syntax.WordIter:
			vs = &vars{name: n.Name.Value, before: vs}
		}
		return true
	})
	return vs
}

// assign returns the scope after an assignment.
func (w *walker) assign(a *syntax.Assign, in scope) scope {
	w.substitutions(a.Value, in)
	if a.Name == nil || a.Naked {
		return in
	}
	v := &vars{name: a.Name.Value, before: in.vars}
	if !a.Append && a.Index == nil && a.Array == nil {
		v.known = true
		if a.Value != nil {
			word := w.join(a.Value, in.vars)
			v.value, v.known = word.Value, word.Static
		}
	}
	in.vars = v
	return in
}

// call adds a simple command, and returns the scope after it.
func (w *walker) call(c *syntax.CallExpr, st *syntax.Stmt, in scope) scope {
	local := in
	for _, a := range c.Assigns {
		local = w.assign(a, local)
	}
	if len(c.Args) == 0 {
		return local
	}
	var words []Word
	for _, arg := range c.Args {
		w.substitutions(arg, in)
		words = w.fields(words, arg, in.vars)
	}
	if len(words) == 0 || !words[0].Static || words[0].Value == "" {
		return in
	}
	cmd := newCommand(w.script, words)
	cmd.Top, cmd.Piped, cmd.Stmt, cmd.Call = in.top, in.piped, st, c
	cmd.lookup = func(name string) (string, bool) { return w.value(name, local.vars) }
	all := append([]*Command{cmd}, cmd.wrapped()...)
	w.script.Commands = append(w.script.Commands, all...)
	for _, cmd := range all {
		w.shellCommand(cmd)
	}
	if cmd.Name == "export" || cmd.Name == "readonly" {
		for _, arg := range cmd.Args {
			if name, value, ok := strings.Cut(arg.Value, "="); ok {
				in.vars = &vars{name: name, value: value, known: arg.Static, before: in.vars}
			}
		}
	}
	if cmd.Name == "read" || cmd.Name == "unset" || cmd.Name == "eval" || cmd.Name == "." || cmd.Name == "source" {
		for _, arg := range cmd.Args {
			in.vars = &vars{name: arg.Value, before: in.vars}
		}
	}
	return in
}

// shellCommand collects the script that a command such as sh -c 'TEXT' or bash <<EOF runs.
func (w *walker) shellCommand(c *Command) {
	d := Named(c.Name)
	args := c.Args
	if c.Name == "busybox" && len(args) > 0 {
		d, args = Named(args[0].Value), args[1:]
	}
	if d == None {
		return
	}
	words := make([]string, len(args))
	for i, a := range args {
		if words[i] = a.Value; !a.Static {
			words = words[:i]
			break
		}
	}
	opt, rest, command := Options{}.set(words)
	inner := *w.script
	inner.Dialect, inner.Options, inner.Outer, inner.Commands = d, opt, w.script, nil
	var ok bool
	switch {
	case command && rest < len(words) && args[rest].Node != nil:
		inner.Text, inner.at, ok = w.script.decodeWord(args[rest].Node)
	case !command && rest == len(args) && c.Stmt != nil:
		inner.Text, inner.at, ok = w.script.input(c.Stmt)
		inner.Heredoc = true
	}
	if ok {
		w.inner = append(w.inner, &inner)
	}
}

// input returns the heredoc that is the standard input of a statement, as written.
func (s *Script) input(st *syntax.Stmt) (text string, at positions, ok bool) {
	for _, r := range st.Redirs {
		if r.Hdoc == nil || r.N != nil {
			continue
		}
		var b builder
		start := int(r.Hdoc.Pos().Offset())
		end := min(int(r.Hdoc.End().Offset()), len(s.Text))
		// The node may contain the terminator.
		end = start + strings.LastIndexByte(s.Text[min(start, end):end], '\n') + 1
		if start >= end {
			return "", nil, false
		}
		s.copyRaw(&b, start, s.Text[start:end])
		return b.text.String(), b.at, true
	}
	return "", nil, false
}

// substitutions walks the commands in the substitutions of a word, such as $(CMD).
func (w *walker) substitutions(word *syntax.Word, in scope) {
	if word == nil {
		return
	}
	for _, part := range word.Parts {
		if _, ok := part.(*syntax.Lit); ok {
			continue
		}
		syntax.Walk(part, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.CmdSubst:
				w.stmts(n.Stmts, scope{vars: in.vars})
				return false
			case *syntax.ProcSubst:
				w.stmts(n.Stmts, scope{vars: in.vars})
				return false
			}
			return true
		})
	}
}
