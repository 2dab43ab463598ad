package shell

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Texts of the errors about an invalid expression ${…}. Clients match on them.
const (
	msgNoBrace = "syntax error: missing '}'"
	msgNoSlash = "syntax error: missing '/' in ${}"
	msgBadName = "syntax error: bad substitution"
)

// dollar expands the expression that starts with the dollar sign at s.pos.
func (s *scanner) dollar() *Error {
	start := s.pos
	s.pos++
	if s.pos < len(s.word) && s.word[s.pos] == '{' {
		s.pos++
		return s.braces(start)
	}
	name := s.name()
	if name == "" {
		s.put("$")
		return nil
	}
	v, set := s.env.Lookup(name)
	s.record(Use{Name: name, Offset: start, End: s.pos}, set)
	if !set && s.mode&KeepUnset != 0 {
		v = s.word[start:s.pos]
	}
	s.put(v)
	return nil
}

// name consumes and returns a variable name: letters, digits and "_", or digits only, or
// one special parameter such as @. It returns "" if no name follows.
func (s *scanner) name() string {
	start := s.pos
	r, n := utf8.DecodeRuneInString(s.word[s.pos:])
	switch {
	case n == 0:
		return ""
	case unicode.IsDigit(r):
		s.skip(unicode.IsDigit)
	case n == 1 && strings.ContainsRune("@*#?-$!", r):
		s.pos++
	default:
		s.skip(inName)
	}
	return s.word[start:s.pos]
}

// inName reports whether a variable name may contain r.
func inName(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

// skip consumes the next characters as long as they belong to a class. The callback reports
// whether a character belongs to the class.
func (s *scanner) skip(class func(rune) bool) {
	for s.pos < len(s.word) {
		r, n := utf8.DecodeRuneInString(s.word[s.pos:])
		if !class(r) {
			return
		}
		s.pos += n
	}
}

// param is an expression ${name…} that is being expanded.
type param struct {
	start          int // the offset of the dollar sign
	name           string
	value          string
	set            bool
	colon          bool // whether the modifier has a colon, so that an empty value counts as unset
	modifier       rune // the character after the name and the colon; -1 at the end of the word
	modifierOffset int  // the offset of the modifier, including its colon
	verbatim       bool // whether the result contains the expression itself instead of its value
	mark           int  // the length of the output before the current operand
}

// present reports whether the variable counts as set. If the modifier has a colon, an
// empty variable counts as unset.
func (p *param) present() bool {
	return p.set && (!p.colon || p.value != "")
}

// modifierText returns the modifier of the expression, including any colon, for an error
// message.
//
// Upstream: the end of the word appears as a replacement character.
func (p *param) modifierText() string {
	if p.colon {
		return ":" + string(p.modifier)
	}
	return string(p.modifier)
}

// braces expands an expression whose "${" has been consumed. The parameter start is the
// offset of the expression. braces records the use of the variable after it has read the
// whole expression.
func (s *scanner) braces(start int) *Error {
	if s.pos == len(s.word) {
		return s.errorAt(start, msgNoBrace)
	}
	if c := s.word[s.pos]; c == '{' || c == '}' || c == ':' {
		return s.errorAt(start, msgBadName)
	}
	p := param{start: start, name: s.name(), modifierOffset: s.pos}
	p.value, p.set = s.env.Lookup(p.name)
	p.verbatim = !p.set && s.mode&KeepUnset != 0
	p.modifier = s.next()
	if p.modifier == ':' {
		p.colon, p.modifier = true, s.next()
	}
	switch p.modifier {
	case '}':
		if p.colon {
			break // Upstream: ${v:}w} has the modifier ":}" and the operand "w"
		}
		s.use(&p)
		if p.verbatim {
			s.put("${" + p.name + "}")
			return nil
		}
		s.put(p.value)
		return nil
	case '-', '+', '?':
	case '#', '%':
		if p.colon {
			return s.unsupported(&p)
		}
		return s.trim(&p)
	default:
		if s.lookup != nil && isMapping(&p) {
			return s.mapping(&p)
		}
		if p.colon {
			break // Upstream: the operand is read first, and its errors take precedence
		}
		if p.modifier == '/' {
			return s.replace(&p)
		}
		return s.unsupported(&p)
	}
	return s.alternative(&p)
}

// begin prepares for the expansion of an operand of p, such as w in ${v-w}. It stores the
// length of the output in p.mark. If p.verbatim is set, the result contains the expression
// itself, so begin first appends the start of the expression, such as "${v-", to the output.
func (s *scanner) begin(p *param, modifier string) {
	if p.verbatim {
		s.put("${" + p.name + modifier)
	}
	p.mark = len(s.out)
}

// take truncates the output to the given length in bytes, and returns the text that it
// removed.
func (s *scanner) take(mark int) string {
	t := string(s.out[mark:])
	s.out = s.out[:mark]
	return t
}

// operand expands an operand, such as w in ${v-w}, up to and including the character after it,
// such as }. If the word ends inside the operand, it returns an error with the text
// unclosedMsg.
//
// Upstream: this error replaces any other error that occurs at the end of the word.
func (s *scanner) operand(p *param, stop byte, keepEscapes, pattern bool, unclosedMsg string) *Error {
	if s.depth == maxDepth {
		return s.errorAt(p.start, fmt.Sprintf("substitutions are nested more than %d deep", maxDepth))
	}
	s.depth++
	s.operands++
	before, quoted := s.keepEscapes, s.inQuotes
	s.keepEscapes, s.inQuotes = keepEscapes, false
	err := s.text(int(stop), pattern)
	s.keepEscapes, s.inQuotes = before, quoted
	s.depth--
	if err != nil && s.pos == len(s.word) {
		return s.errorAt(p.start, unclosedMsg)
	}
	return err
}

// unsupported returns the error for an expression with an unknown modifier, such as
// ${v^w}.
func (s *scanner) unsupported(p *param) *Error {
	return s.errorAt(p.modifierOffset, fmt.Sprintf("unsupported modifier (%s) in substitution", p.modifierText()))
}

// use records a use of the variable in the expression p.
func (s *scanner) use(p *param) {
	s.record(Use{Name: p.name, Offset: p.start, End: s.pos}, p.set)
}
