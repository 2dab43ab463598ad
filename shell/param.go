package shell

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Error texts that clients match on.
const (
	msgNoBrace = "syntax error: missing '}'"
	msgNoSlash = "syntax error: missing '/' in ${}"
	msgBadName = "syntax error: bad substitution"
)

// dollar handles a dollar sign and its expression.
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

// name consumes a variable name: letters, digits and "_", only digits, or a
// special parameter. The name may be empty.
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

func inName(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

// skip consumes characters of a class.
func (s *scanner) skip(class func(rune) bool) {
	for s.pos < len(s.word) {
		r, n := utf8.DecodeRuneInString(s.word[s.pos:])
		if !class(r) {
			return
		}
		s.pos += n
	}
}

// param is the state of an expression ${name…}.
type param struct {
	start    int // offset of the dollar sign
	name     string
	value    string
	set      bool
	colon    bool // the modifier has a colon: an empty value counts as unset
	modifier rune // the character after the name and the colon; -1 at the end of the word
	at       int  // offset of the modifier, including its colon
	keep     bool // keep the expression instead of evaluating it
	mark     int  // length of the output before the operand
}

// present reports whether the variable counts as set.
func (p *param) present() bool {
	return p.set && (!p.colon || p.value != "")
}

// modifierText returns the modifier for a message.
//
// Upstream: the end of the word is shown as a replacement character.
func (p *param) modifierText() string {
	if p.colon {
		return ":" + string(p.modifier)
	}
	return string(p.modifier)
}

// braces handles the rest of an expression after "${". The name counts as used
// after the whole expression has been read.
func (s *scanner) braces(start int) *Error {
	if s.pos == len(s.word) {
		return s.fault(start, msgNoBrace)
	}
	if c := s.word[s.pos]; c == '{' || c == '}' || c == ':' {
		return s.fault(start, msgBadName)
	}
	p := param{start: start, name: s.name(), at: s.pos}
	p.value, p.set = s.env.Lookup(p.name)
	p.keep = !p.set && s.mode&KeepUnset != 0
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
		if p.keep {
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

// begin starts the output of an expression with an operand.
func (s *scanner) begin(p *param, modifier string) {
	if p.keep {
		s.put("${" + p.name + modifier)
	}
	p.mark = len(s.out)
}

// take removes and returns the output after mark.
func (s *scanner) take(mark int) string {
	t := string(s.out[mark:])
	s.out = s.out[:mark]
	return t
}

// operand expands an operand up to the stop character, which it consumes.
// missing is the error text if the word ends within the operand.
//
// Upstream: any error at the end of the word is reported as missing.
func (s *scanner) operand(p *param, stop byte, keepEscapes, pattern bool, missing string) *Error {
	if s.depth == maxDepth {
		return s.fault(p.start, fmt.Sprintf("substitutions are nested more than %d deep", maxDepth))
	}
	s.depth++
	s.operands++
	before := s.keepEscapes
	s.keepEscapes = keepEscapes
	fault := s.text(int(stop), pattern)
	s.keepEscapes = before
	s.depth--
	if fault != nil && s.pos == len(s.word) {
		return s.fault(p.start, missing)
	}
	return fault
}

func (s *scanner) unsupported(p *param) *Error {
	return s.fault(p.at, fmt.Sprintf("unsupported modifier (%s) in substitution", p.modifierText()))
}

func (s *scanner) use(p *param) {
	s.record(Use{Name: p.name, Offset: p.start, End: s.pos}, p.set)
}
