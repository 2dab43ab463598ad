package shell

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Mapped is an expression with an operator that BuildKit lacks, such as ${name:@table}, in
// word[Offset:End].
type Mapped struct {
	Offset, End int
	Value       string
	Quoted      bool // whether the expression is in double quotes
}

// isMapping reports whether the modifier of p is an operator that BuildKit lacks.
func isMapping(p *param) bool {
	if p.colon {
		return p.modifier == '@'
	}
	return p.modifier == '^' || p.modifier == ','
}

// mapping expands ${v:@table}, and the expressions that change the case of a value: ${v^},
// ${v^^}, ${v,} and ${v,,}.
func (s *scanner) mapping(p *param) *Error {
	quoted := s.inQuotes
	all := !p.colon && s.pos < len(s.word) && rune(s.word[s.pos]) == p.modifier
	if all {
		s.pos++
	}
	verbatim := p.verbatim
	p.verbatim = false // the table must not become part of the result
	s.begin(p, "")
	if err := s.operand(p, '}', false, false, msgNoBrace); err != nil {
		return err
	}
	s.use(p)
	operand := s.take(p.mark)
	var value string
	switch {
	case verbatim:
		s.put(s.word[p.start:s.pos])
		return nil
	case p.colon:
		var err error
		if value, err = s.lookup(p.value, operand); err != nil {
			return s.errorAt(p.modifierOffset, err.Error()+" in "+s.word[p.start:s.pos])
		}
	case operand != "":
		return s.unsupported(p)
	default:
		value = changeCase(p.value, p.modifier == '^', all)
	}
	s.put(value)
	// Expressions in the operand are part of this one.
	s.mapped = slices.DeleteFunc(s.mapped, func(m Mapped) bool { return m.Offset > p.start })
	s.mapped = append(s.mapped, Mapped{Offset: p.start, End: s.pos, Value: value, Quoted: quoted})
	return nil
}

// changeCase returns v with its first character, or all characters, in upper or lower case.
func changeCase(v string, upper, all bool) string {
	if all && upper {
		return strings.ToUpper(v)
	}
	if all {
		return strings.ToLower(v)
	}
	r, n := utf8.DecodeRuneInString(v)
	switch {
	case n == 0:
		return v
	case upper:
		return string(unicode.ToUpper(r)) + v[n:]
	}
	return string(unicode.ToLower(r)) + v[n:]
}
