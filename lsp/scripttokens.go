package lsp

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"slipway/lint/script"
)

// script adds the tokens of a script.
func (p *painter) script(s *script.Script) {
	if s.Tree == nil {
		return
	}
	at := func(pos syntax.Pos, text string, kind tokenType) {
		start := int(pos.Offset())
		if pos.IsValid() && strings.HasPrefix(s.Text[min(start, len(s.Text)):], text) {
			p.add(s.Range(start, start+len(text)), kind, 0)
		}
	}
	node := func(n syntax.Node, kind tokenType) { p.add(s.NodeRange(n), kind, 0) }
	syntax.Walk(s.Tree, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Comment:
			node(n, tokenComment)
		case *syntax.CallExpr:
			for i, w := range n.Args {
				switch lit := w.Lit(); {
				case i == 0 && lit != "":
					node(w, tokenFunction)
				case strings.HasPrefix(lit, "-"):
					node(w, tokenParameter)
				}
			}
		case *syntax.SglQuoted, *syntax.DblQuoted:
			node(n, tokenString)
		case *syntax.ParamExp:
			node(n, tokenVariable)
		case *syntax.Assign:
			if n.Name != nil {
				p.add(s.NodeRange(n.Name), tokenVariable, modifierDeclaration)
			}
		case *syntax.BinaryCmd:
			at(n.OpPos, n.Op.String(), tokenOperator)
		case *syntax.Redirect:
			at(n.OpPos, n.Op.String(), tokenOperator)
		default:
			keywordsOf(n, func(pos syntax.Pos, text string) { at(pos, text, tokenKeyword) })
		}
		return true
	})
}

// keywordsOf calls add for the keywords of a compound command.
func keywordsOf(n syntax.Node, add func(syntax.Pos, string)) {
	switch n := n.(type) {
	case *syntax.IfClause:
		add(n.Position, "if")
		add(n.Position, "elif")
		add(n.Position, "else")
		add(n.ThenPos, "then")
		add(n.FiPos, "fi")
	case *syntax.WhileClause:
		add(n.WhilePos, "while")
		add(n.WhilePos, "until")
		add(n.DoPos, "do")
		add(n.DonePos, "done")
	case *syntax.ForClause:
		add(n.ForPos, "for")
		add(n.DoPos, "do")
		add(n.DonePos, "done")
	case *syntax.WordIter:
		add(n.InPos, "in")
	case *syntax.CaseClause:
		add(n.Case, "case")
		add(n.In, "in")
		add(n.Esac, "esac")
	case *syntax.DeclClause:
		add(n.Variant.Pos(), n.Variant.Value)
	}
}
