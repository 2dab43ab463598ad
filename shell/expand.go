package shell

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Mode says what an expansion leaves as it is written. Modes are combined
// with |; the zero Mode is what instructions use.
type Mode uint8

const (
	// KeepQuotes leaves quote characters in the result. What they enclose is
	// still not split and, in single quotes, not expanded.
	KeepQuotes Mode = 1 << iota
	// KeepEscapes leaves escape characters in the result. What they escape is
	// still not special.
	KeepEscapes
	// KeepUnset leaves references to variables that are not set as they are,
	// with their operands expanded; ${v?m} is then no error.
	KeepUnset
	// NoQuotes makes quotes ordinary characters: for the bodies of heredocs.
	NoQuotes
)

const (
	// maxDepth is how deep operands can nest. Upstream recurses without a
	// limit until the runtime ends the process; encoding/json has this limit.
	maxDepth = 10_000
	// maxGrowth is how many bytes a result can have, apart from what the word
	// itself accounts for: much more than a process can be given in a variable,
	// and the end of doubling one line by line.
	maxGrowth = 4 << 20
)

// Expander expands variables and quotes. It is a value without state: safe to
// copy and to share.
type Expander struct {
	Escape byte // the escape directive's character: '\\' or '`'; zero is '\\'
	Mode   Mode
}

// Result is what a word became.
type Result struct {
	Value     string
	Matched   []string // the names that were found, each once, in order of first use
	Unmatched []Use    // the first use of each name that was not found, in order
}

// Use is a place where a variable is used: word[Offset:End] is "$name" or
// "${name…}", braces and operand included.
type Use struct {
	Name   string
	Offset int
	End    int
}

// Error is a fault of a word.
type Error struct {
	Word   string // the whole word
	Offset int    // the byte of Word where the fault is: the opening of what is not closed, the modifier, the pattern
	Msg    string // what is wrong, without the word
}

// Error returns upstream's text, which quotes the word.
func (e *Error) Error() string {
	return fmt.Sprintf("failed to process %q: %s", e.Word, e.Msg)
}

// Expand returns the word with variables, quotes and escapes replaced. A nil
// env has no variables.
//
// The error is an *Error. The names that were met before it are in the result
// all the same. A name counts as met when its expression is complete, whether
// or not the value is used: ${A:-$B} meets B and A even where A has a value.
func (x Expander) Expand(word string, env Env) (Result, error) {
	if x.plain(word) {
		return Result{Value: word}, nil
	}
	if env == nil {
		env = Map(nil)
	}
	if name, ok := soleVariable(word); ok {
		if v, set := env.Lookup(name); set && len(v) <= limit(word) {
			return Result{Value: v, Matched: []string{name}}, nil
		}
	}
	s := x.scanner(word, env)
	fault := s.text(noStop, false)
	if s.overflow != nil {
		fault = s.overflow
	}
	res := Result{Matched: s.matched.names(), Unmatched: s.unmatched.sorted()}
	if fault != nil {
		return res, fault
	}
	res.Value = string(s.out)
	return res, nil
}

// scanner starts an expansion.
func (x Expander) scanner(word string, env Env) scanner {
	s := scanner{
		word: word, env: env, out: make([]byte, 0, len(word)+32),
		esc: x.escape(), mode: x.Mode, keepEscapes: x.Mode&KeepEscapes != 0,
	}
	// Upstream: its scanner drops one byte order mark.
	if strings.HasPrefix(word, "\ufeff") {
		s.pos = len("\ufeff")
	}
	return s
}

func (x Expander) escape() byte {
	if x.Escape == 0 {
		return '\\'
	}
	return x.Escape
}

// plain reports whether the word stands for itself.
func (x Expander) plain(word string) bool {
	ascii, esc, quotes := true, x.escape(), x.Mode&NoQuotes == 0
	for i := range len(word) {
		switch c := word[i]; {
		case c == '$' || c == esc:
			return false
		case c == '\'' || c == '"':
			if quotes {
				return false
			}
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return ascii || utf8.ValidString(word) && !strings.HasPrefix(word, "\ufeff")
}

// soleVariable returns the name if the word is $name or ${name} and no more:
// the value can then be shared instead of copied.
func soleVariable(word string) (string, bool) {
	if len(word) < 2 || word[0] != '$' {
		return "", false
	}
	name := word[1:]
	if name[0] == '{' && word[len(word)-1] == '}' {
		name = word[2 : len(word)-1]
	}
	for i := range len(name) {
		c := name[i]
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return "", false
		}
	}
	return name, name != ""
}

// noStop is the stop of text that goes on to the end of the word.
const noStop = -1

// scanner is one expansion under way.
type scanner struct {
	word string
	pos  int // of the next byte to read
	out  []byte
	env  Env
	esc  byte
	mode Mode

	keepEscapes bool // KeepEscapes, but operands have their own idea of it
	depth       int  // operands that are open
	operands    int  // operands that were begun
	overflow    *Error
	matched     uses
	unmatched   uses
}

// text expands until the stop character, which it consumes, or the end of the
// word; with a stop, coming to the end is a fault that the caller words. In a
// pattern, escape characters inside quotes are doubled, so that the pattern
// means them literally.
func (s *scanner) text(stop int, pattern bool) *Error {
	for s.pos < len(s.word) {
		s.putText(s.run(stop))
		if s.pos == len(s.word) {
			break
		}
		c := s.word[s.pos]
		if int(c) == stop {
			s.pos++
			return nil
		}
		var fault *Error
		switch c {
		case '$':
			fault = s.dollar()
		case '\'':
			fault = s.singleQuoted(pattern)
		case '"':
			fault = s.doubleQuoted(pattern)
		default:
			s.escaped()
		}
		if fault != nil {
			return fault
		}
	}
	if stop != noStop {
		return s.fault(s.pos, "unexpected end of statement while looking for matching "+string(rune(stop)))
	}
	return nil
}

// run consumes and returns the ordinary characters that come next.
func (s *scanner) run(stop int) string {
	start, quotes := s.pos, s.mode&NoQuotes == 0
	for ; s.pos < len(s.word); s.pos++ {
		c := s.word[s.pos]
		if c == '$' || c == s.esc || int(c) == stop || quotes && (c == '\'' || c == '"') {
			break
		}
	}
	return s.word[start:s.pos]
}

// put appends a value as it is.
func (s *scanner) put(v string) {
	if len(s.out)+len(v) > limit(s.word) {
		if s.overflow == nil {
			s.overflow = s.tooLong()
		}
		return
	}
	s.out = append(s.out, v...)
}

// putText appends a part of the word. Upstream: each byte that is not UTF-8
// becomes a replacement character.
func (s *scanner) putText(t string) {
	if utf8.ValidString(t) {
		s.put(t)
		return
	}
	for _, r := range t {
		s.put(string(r))
	}
}

// next consumes one character; it returns -1 at the end of the word.
func (s *scanner) next() rune {
	if s.pos == len(s.word) {
		return -1
	}
	r, n := utf8.DecodeRuneInString(s.word[s.pos:])
	s.pos += n
	return r
}

// limit returns how many bytes the result for a word can have. What is not UTF-8
// takes three bytes for one.
func limit(word string) int { return 3*len(word) + maxGrowth }

// tooLong is the fault of a result that exceeds the limit.
func (s *scanner) tooLong() *Error {
	return s.fault(s.pos, "result is more than 4 MiB longer than the word")
}

func (s *scanner) fault(offset int, msg string) *Error {
	return &Error{Word: s.word, Offset: offset, Msg: msg}
}
