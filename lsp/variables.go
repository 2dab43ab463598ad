package lsp

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"slipway/lint"
	"slipway/lint/script"
	"slipway/parser"
	"slipway/source"
)

// expand adds the variables that the words of an instruction use. in is nil for a FROM.
func (x *indexer) expand(syntax *parser.Instruction, in *lint.Instruction) {
	keyword := lowerKeyword(syntax)
	switch keyword {
	case "shell", "maintainer", "onbuild":
		return
	}
	runtime := keyword == "cmd" || keyword == "entrypoint" || keyword == "healthcheck"
	for role, w := range syntax.Words() {
		switch {
		case role == parser.RoleKeyword, role == parser.RoleHeredoc, role == parser.RoleType:
		case runtime && role == parser.RoleElement: // no shell expands an exec form
		default:
			x.expandWord(w.Text, true, runtime, in)
		}
	}
}

// expandText adds the variables that a text uses. Quotes have a meaning if quotes is set.
func (x *indexer) expandText(t source.Text, quotes bool, in *lint.Instruction) {
	x.expandWord(t, quotes, false, in)
}

// expandWord adds the variables that a text uses when it is built or, if runtime is set, run.
func (x *indexer) expandWord(t source.Text, quotes, runtime bool, in *lint.Instruction) {
	escape := byte('\\')
	if x.file.Syntax != nil {
		escape = x.file.Syntax.Escape
	}
	for _, s := range variables(t.String(), escape, quotes) {
		if r := t.Slice(s.start, s.end).Range(); r.End-r.Start == s.end-s.start {
			x.useVariable(r, r.String(), runtime, in)
		}
	}
}

// variables returns the spans of the names after $ and ${ in a text. It skips escaped characters
// and, if quotes is set, text in single quotes.
func variables(text string, escape byte, quotes bool) []span {
	var list []span
	single, double := false, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quotes && c == '\'' && !double:
			single = !single
		case single:
		case c == escape:
			i++
		case quotes && c == '"':
			double = !double
		case c == '$':
			start := i + 1
			if start < len(text) && text[start] == '{' {
				start++
			}
			end := start
			for end < len(text) && isNameByte(text[end], end == start) {
				end++
			}
			if end > start {
				list = append(list, span{start, end})
				i = end - 1
			}
		}
	}
	return list
}

// isNameByte reports whether c may be in the name of a variable.
func isNameByte(c byte, first bool) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || !first && c >= '0' && c <= '9'
}

// isVariableName reports whether a text is the name of a variable.
func isVariableName(s string) bool {
	for i := range len(s) {
		if !isNameByte(s[i], i == 0) {
			return false
		}
	}
	return s != ""
}

// scripts adds the variables that the scripts of a RUN use, except for those that a script sets
// itself.
func (x *indexer) scripts(in *lint.Instruction) {
	for _, s := range in.Scripts {
		if s.Tree == nil {
			continue
		}
		own := ownVariables(s)
		syntax.Walk(s.Tree, func(n syntax.Node) bool {
			pe, ok := n.(*syntax.ParamExp)
			if !ok || pe.Param == nil || own[pe.Param.Value] || !isVariableName(pe.Param.Value) {
				return true
			}
			if r := s.NodeRange(pe.Param); r.String() == pe.Param.Value {
				x.useVariable(r, pe.Param.Value, false, in)
			}
			return true
		})
	}
}

// ownVariables returns the variables that a script assigns, declares or reads from its input.
func ownVariables(s *script.Script) map[string]bool {
	own := map[string]bool{}
	syntax.Walk(s.Tree, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Assign:
			if n.Name != nil {
				own[n.Name.Value] = true
			}
		case *syntax.WordIter:
			own[n.Name.Value] = true
		case *syntax.CallExpr:
			if len(n.Args) == 0 || n.Args[0].Lit() != "read" && n.Args[0].Lit() != "getopts" && n.Args[0].Lit() != "unset" {
				return true
			}
			for _, w := range n.Args[1:] {
				own[w.Lit()] = true
			}
		}
		return true
	})
	return own
}

// lowerKeyword returns the keyword of an instruction in lower case.
func lowerKeyword(in *parser.Instruction) string { return strings.ToLower(in.Keyword.String()) }
