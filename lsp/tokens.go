package lsp

import (
	"context"
	"strings"

	"slipway/lint"
	"slipway/parser"
	"slipway/source"
)

// tokenType is an index in the types of the legend.
type tokenType int

const (
	tokenKeyword tokenType = iota
	tokenParameter
	tokenVariable
	tokenString
	tokenNumber
	tokenOperator
	tokenComment
	tokenMacro
	tokenNamespace
	tokenFunction
	tokenProperty
)

// Modifiers of tokens, as bits.
const (
	modifierDeclaration = 1 << iota
	modifierReadonly
	modifierDeprecated
	modifierDefaultLibrary
)

// legend returns the names of the types and modifiers in the order of their numbers.
func legend() tokenLegend {
	return tokenLegend{
		Types:     []string{"keyword", "parameter", "variable", "string", "number", "operator", "comment", "macro", "namespace", "function", "property"},
		Modifiers: []string{"declaration", "readonly", "deprecated", "defaultLibrary"},
	}
}

// token is a part of a document with a type.
type token struct {
	span
	kind      tokenType
	modifiers int
}

// painter collects tokens. A later token replaces the parts of earlier ones that it covers.
type painter struct {
	file   *lint.File
	text   []byte
	tokens []token
	owners []int // of each byte: the number of the token that covers it, or 0
}

// add adds a token.
func (p *painter) add(r source.Range, kind tokenType, modifiers int) {
	if !p.file.Contains(r) || r.Start >= r.End {
		return
	}
	p.tokens = append(p.tokens, token{rangeSpan(r), kind, modifiers})
	for i := r.Start; i < min(r.End, len(p.owners)); i++ {
		p.owners[i] = len(p.tokens)
	}
}

// semanticTokens returns the tokens of a document or of a part of it.
func (s *server) semanticTokens(ctx context.Context, snap *snapshot, p rangeParams) (any, error) {
	x := snap.names(ctx)
	paint := &painter{file: x.file, text: snap.file.Bytes, owners: make([]int, len(snap.file.Bytes))}
	paint.syntax(x.file)
	for _, st := range x.file.Stages {
		for _, sc := range st.Scripts {
			paint.script(sc)
		}
	}
	paint.names(x)
	within := span{0, len(snap.file.Bytes)}
	if p.Range != nil {
		within = snap.lines(*p.Range)
	}
	return semanticTokens{Data: paint.encode(snap.mapper, within)}, nil
}

// encode returns the tokens in the form of the protocol. No token covers several lines.
func (p *painter) encode(m *mapper, within span) []int {
	data := []int{}
	last := position{}
	for i := within.start; i < within.end; {
		owner := p.owners[i]
		start := i
		for i < within.end && p.owners[i] == owner && p.text[i] != '\n' && p.text[i] != '\r' {
			i++
		}
		text := string(p.text[start:i])
		begin := start + len(text) - len(strings.TrimLeft(text, " \t"))
		end := start + len(strings.TrimRight(text, " \t"))
		if i == start {
			i++ // a line end
		}
		if owner == 0 || begin >= end {
			continue
		}
		t := p.tokens[owner-1]
		from, to := m.position(begin), m.position(end)
		column := from.Character
		if from.Line == last.Line {
			column -= last.Character
		}
		data = append(data, from.Line-last.Line, column, to.Character-from.Character, int(t.kind), t.modifiers)
		last = from
	}
	return data
}

// syntax adds the tokens of the Dockerfile itself.
func (p *painter) syntax(f *lint.File) {
	if f.Syntax == nil {
		return
	}
	for _, n := range f.Syntax.Nodes {
		switch n := n.(type) {
		case *parser.Comment:
			p.comments(n.Rng)
		case *parser.Directive:
			p.add(n.Rng, tokenComment, 0)
			p.add(n.Name.Range(), tokenMacro, 0)
			p.add(n.Value.Range(), tokenString, 0)
		case *parser.Instruction:
			p.comments(n.Head())
			p.instruction(n, "")
		case *parser.Blank:
		}
	}
}

// comments adds the comments in the lines of a range.
func (p *painter) comments(r source.Range) {
	for at := r.Start; at < r.End; {
		end := at + len(strings.SplitAfterN(string(p.text[at:r.End]), "\n", 2)[0])
		line := source.Range{File: p.file.Source, Start: at, End: end}
		if text := strings.TrimSpace(line.String()); strings.HasPrefix(text, "#") {
			kind := tokenComment
			if isPragma(strings.TrimLeft(text, "# \t")) {
				kind = tokenMacro
			}
			p.add(line, kind, 0)
		}
		at = end
	}
}

// isPragma reports whether the text of a comment has an effect on a tool.
func isPragma(text string) bool {
	word, _, _ := strings.Cut(text, " ")
	name, _, _ := strings.Cut(word, "=")
	switch name {
	case "check", "slipway":
		return name != word
	case "hadolint", "shellcheck", "tally":
		return name == word
	}
	return false
}

// instruction adds the words of an instruction.
func (p *painter) instruction(in *parser.Instruction, outer string) {
	keyword := lowerKeyword(in)
	for _, h := range in.Heredocs {
		if keyword != "run" && outer == "" {
			p.add(h.Body, tokenString, 0)
		}
		p.add(h.End, tokenOperator, 0)
	}
	first := true
	words := 0
	for role, w := range in.Words() {
		r := w.Text.Range()
		switch role {
		case parser.RoleKeyword:
			modifiers := 0
			if strings.EqualFold(w.Value, "maintainer") {
				modifiers = modifierDeprecated
			}
			p.add(r, tokenKeyword, modifiers)
			if !first {
				keyword = strings.ToLower(w.Value) // the trigger of an ONBUILD
			}
			first = false
		case parser.RoleFlag:
			p.flag(w)
		case parser.RoleWord:
			p.word(keyword, w, words)
			words++
		case parser.RoleString:
			if keyword != "run" && keyword != "cmd" && keyword != "entrypoint" && keyword != "healthcheck" {
				p.add(r, tokenString, 0)
			}
		case parser.RoleKey:
			p.add(r, tokenProperty, 0)
		case parser.RoleElement, parser.RoleValue:
			p.add(r, tokenString, 0)
		case parser.RoleType:
			p.add(r, tokenKeyword, 0)
		case parser.RoleHeredoc:
			p.add(r, tokenOperator, 0)
		}
	}
}

// flag adds a flag: its name, and its value.
func (p *painter) flag(w parser.Word) {
	r := w.Text.Range()
	p.add(r, tokenParameter, 0)
	if i := strings.IndexByte(r.String(), '='); i >= 0 {
		r.Start += i + 1
		p.add(r, tokenString, 0)
	}
}

// word adds a word of an instruction whose arguments are words. n is the number of words before it.
func (p *painter) word(keyword string, w parser.Word, n int) {
	kind := tokenString
	switch {
	case keyword == "from" && n == 1 && strings.EqualFold(w.Value, "as"), keyword == "from" && strings.EqualFold(w.Value, "if") && n > 0:
		kind = tokenKeyword
	case keyword == "from" && n == 2:
		kind = tokenNamespace
	case keyword == "expose":
		kind = tokenNumber
	case keyword == "unset" && n == 0:
		kind = tokenKeyword
	}
	p.add(w.Text.Range(), kind, 0)
}

// names adds the names of variables and stages.
func (p *painter) names(x *index) {
	for _, n := range x.places {
		r := source.Range{File: p.file.Source, Start: n.start, End: n.end}
		switch n.role {
		case declaresArg:
			p.add(r, tokenVariable, modifierDeclaration|modifierReadonly)
		case declaresEnv:
			p.add(r, tokenVariable, modifierDeclaration)
		case usesVariable:
			p.add(r, tokenVariable, useModifiers(x, n))
		case declaresStage:
			p.add(r, tokenNamespace, modifierDeclaration)
		case usesStage:
			p.add(r, tokenNamespace, 0)
		}
	}
}

// useModifiers returns the modifiers of the use of a variable.
func useModifiers(x *index, p *place) int {
	switch {
	case p.decl == nil && isPredefined(x, p.name):
		return modifierReadonly | modifierDefaultLibrary
	case p.decl != nil && p.decl.role == declaresArg:
		return modifierReadonly
	}
	return 0
}
