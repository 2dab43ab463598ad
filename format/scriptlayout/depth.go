package scriptlayout

import "mvdan.cc/sh/v3/syntax"

// setDepths sets the level of each line. The commands of the list have the level 1, as have lines
// that start with their operators. If ownLine is false and all lines continue the first command,
// they have the level 1, too.
func (c *command) setDepths(ownLine bool) {
	c.depths = make([]int, len(c.starts))
	c.set(0, len(c.text), 1)
	c.statements(c.tree.Stmts, 1)
	lowest := 2
	for i, d := range c.depths {
		if i > 0 && !c.isBlank(i) {
			lowest = min(lowest, d)
		}
	}
	for i := range c.depths {
		switch {
		case i == 0:
			c.depths[i] = 0
		case !ownLine && lowest == 2:
			c.depths[i]--
		}
	}
}

// isBlank reports whether a line has no text.
func (c *command) isBlank(line int) bool {
	end := len(c.text)
	if line+1 < len(c.starts) {
		end = c.starts[line+1]
	}
	return c.textStart(line) >= end
}

// textStart returns the offset of the first byte of a line that is not a blank.
func (c *command) textStart(line int) int {
	at := c.starts[line]
	for at < len(c.text) && (c.text[at] == ' ' || c.text[at] == '\t') {
		at++
	}
	return at
}

// set sets the level of all lines whose text starts in [start, end).
func (c *command) set(start, end, depth int) {
	for i := max(c.lineOf(start), 0); i < len(c.starts) && c.starts[i] < end; i++ {
		if at := c.textStart(i); start <= at && at < end {
			c.depths[i] = depth
		}
	}
}

// token sets the level of the line that starts with the token at pos, if there is one.
func (c *command) token(pos syntax.Pos, depth int) {
	if pos.IsValid() {
		c.set(int(pos.Offset()), int(pos.Offset())+1, depth)
	}
}

// statements sets the levels of the lines of a list of statements.
func (c *command) statements(list []*syntax.Stmt, depth int) {
	for _, s := range list {
		c.statement(s, depth)
	}
}

// statement sets the levels of the lines of a statement.
func (c *command) statement(s *syntax.Stmt, depth int) {
	whole := spanOf(s)
	c.set(whole.start, whole.end, depth+1)
	c.token(s.Position, depth)
	if s.Cmd != nil {
		c.command(s.Cmd, depth)
	}
	for _, r := range s.Redirs {
		c.nested(r, depth)
	}
	c.token(s.Semicolon, depth)
}

// command sets the levels of the lines of a command.
func (c *command) command(cmd syntax.Command, depth int) {
	c.token(cmd.Pos(), depth)
	switch n := cmd.(type) {
	case *syntax.BinaryCmd:
		c.statement(n.X, depth)
		c.token(n.OpPos, depth)
		c.statement(n.Y, depth)
	case *syntax.Block:
		c.statements(n.Stmts, depth+1)
		c.token(n.Rbrace, depth)
	case *syntax.Subshell:
		c.statements(n.Stmts, depth+1)
		c.token(n.Rparen, depth)
	case *syntax.IfClause:
		c.ifClause(n, depth)
	case *syntax.WhileClause:
		c.condition(n.Cond, depth)
		c.token(n.DoPos, depth)
		c.statements(n.Do, depth+1)
		c.token(n.DonePos, depth)
	case *syntax.ForClause:
		c.nested(n.Loop, depth)
		c.token(n.DoPos, depth)
		c.statements(n.Do, depth+1)
		c.token(n.DonePos, depth)
	case *syntax.CaseClause:
		c.caseClause(n, depth)
	case *syntax.FuncDecl:
		c.statement(n.Body, depth)
	case *syntax.TimeClause:
		if n.Stmt != nil {
			c.statement(n.Stmt, depth)
		}
	default:
		c.nested(n, depth)
	}
}

// condition sets the levels of the lines of a condition, which starts in the line of its keyword.
func (c *command) condition(list []*syntax.Stmt, depth int) { c.statements(list, depth+1) }

// ifClause sets the levels of the lines of an if with its elif and else.
func (c *command) ifClause(n *syntax.IfClause, depth int) {
	for ; n != nil; n = n.Else {
		c.token(n.Position, depth)
		c.condition(n.Cond, depth)
		c.token(n.ThenPos, depth)
		c.statements(n.Then, depth+1)
		c.token(n.FiPos, depth)
	}
}

// caseClause sets the levels of the lines of a case.
func (c *command) caseClause(n *syntax.CaseClause, depth int) {
	patterns := depth
	if c.opt.SwitchCaseIndent {
		patterns++
	}
	c.token(n.In, depth)
	for _, item := range n.Items {
		c.set(spanOf(item).start, spanOf(item).end, patterns+1)
		for _, w := range item.Patterns {
			c.token(w.Pos(), patterns)
		}
		c.statements(item.Stmts, patterns+1)
		c.token(item.OpPos, patterns+1)
	}
	c.token(n.Esac, depth)
}

// nested sets the levels of the lines in the command substitutions of a node. All other lines of
// the node continue a command with the given level.
func (c *command) nested(n syntax.Node, depth int) {
	syntax.Walk(n, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CmdSubst:
			c.statements(n.Stmts, depth+2)
			c.token(n.Right, depth+1)
			return false
		case *syntax.ProcSubst:
			c.statements(n.Stmts, depth+2)
			c.token(n.Rparen, depth+1)
			return false
		case *syntax.ArrayExpr:
			c.set(spanOf(n).start, spanOf(n).end, depth+1)
			c.token(n.Rparen, depth)
		}
		return true
	})
}
