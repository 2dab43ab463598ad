package shell

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Mode selects what an expansion leaves unchanged. Modes are combined with |.
// Instructions use the zero Mode.
type Mode uint8

const (
	// KeepQuotes keeps quote characters in the result. Quoted text is still not
	// split and, in single quotes, not expanded.
	KeepQuotes Mode = 1 << iota
	// KeepEscapes keeps escape characters in the result. The escaped characters
	// are still not special.
	KeepEscapes
	// KeepUnset keeps references to unset variables, with their operands
	// expanded. ${v?m} is then not an error.
	KeepUnset
	// NoQuotes makes quotes ordinary characters, as in the bodies of heredocs.
	NoQuotes
)

const (
	// maxDepth is the maximum nesting depth of operands. Upstream recurses
	// without a limit until the runtime aborts the process. encoding/json has
	// the same limit.
	maxDepth = 10_000
	// maxGrowth is the maximum growth of a result in bytes. It is much more
	// than the environment of a process can hold, and it stops a variable that
	// doubles on every line.
	maxGrowth = 4 << 20
)

// Expander expands variables and quotes. Safe for concurrent use.
type Expander struct {
	Escape byte // escape character of the file: '\\' or '`'; zero means '\\'
	Mode   Mode
}

// Result is the result of expanding a word.
type Result struct {
	Value     string
	Matched   []string // names of set variables, without duplicates, in order of first use
	Unmatched []Use    // first use of each unset variable, in order
}

// Use is a reference to a variable: word[Offset:End] is "$name" or "${name…}",
// including braces and operand.
type Use struct {
	Name   string
	Offset int
	End    int
}

// Error is an error in a word.
type Error struct {
	Word   string // the whole word
	Offset int    // offset of the error in Word: an unclosed quote or brace, the modifier, or the pattern
	Msg    string // message without the word
}

// Error returns upstream's text, which quotes the word.
func (e *Error) Error() string {
	return fmt.Sprintf("failed to process %q: %s", e.Word, e.Msg)
}

// Expand replaces the variables, quotes and escapes of a word. If env is nil,
// no variables are set.
//
// Errors are of type *Error. In case of an error, the result still contains the
// names seen so far. A name is seen when its expression is complete, whether or
// not its value is used: ${A:-$B} uses B and A even if A has a value.
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

// scanner returns the initial state of an expansion.
func (x Expander) scanner(word string, env Env) scanner {
	s := scanner{
		word: word, env: env, out: make([]byte, 0, len(word)+32),
		esc: x.escape(), mode: x.Mode, keepEscapes: x.Mode&KeepEscapes != 0,
	}
	// Upstream: the scanner drops one byte order mark.
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

// plain reports whether the word contains nothing to expand.
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

// soleVariable returns the name if the whole word is $name or ${name}. The
// value can then be shared instead of copied.
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

// noStop is the stop of text that extends to the end of the word.
const noStop = -1

// scanner is the state of an expansion.
type scanner struct {
	word string
	pos  int // offset of the next byte
	out  []byte
	env  Env
	esc  byte
	mode Mode

	keepEscapes bool // KeepEscapes, or the setting of the current operand
	depth       int  // current nesting depth of operands
	operands    int  // number of operands so far
	overflow    *Error
	matched     uses
	unmatched   uses
}

// text expands up to the stop character, which it consumes, or the end of the
// word. If stop is set and missing, it returns an error that the caller may
// reword. In a pattern, it doubles escape characters inside quotes, so that the
// pattern matches them literally.
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

// run consumes and returns the following ordinary characters.
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

// put appends a value unchanged.
func (s *scanner) put(v string) {
	if len(s.out)+len(v) > limit(s.word) {
		if s.overflow == nil {
			s.overflow = s.tooLong()
		}
		return
	}
	s.out = append(s.out, v...)
}

// putText appends a part of the word.
//
// Upstream: each invalid UTF-8 byte becomes a replacement character.
func (s *scanner) putText(t string) {
	if utf8.ValidString(t) {
		s.put(t)
		return
	}
	for _, r := range t {
		s.put(string(r))
	}
}

// next consumes one character. It returns -1 at the end of the word.
func (s *scanner) next() rune {
	if s.pos == len(s.word) {
		return -1
	}
	r, n := utf8.DecodeRuneInString(s.word[s.pos:])
	s.pos += n
	return r
}

// limit returns the maximum length of the result for a word. Invalid UTF-8
// takes three bytes for one.
func limit(word string) int { return 3*len(word) + maxGrowth }

// tooLong returns the error for a result that exceeds the limit.
func (s *scanner) tooLong() *Error {
	return s.fault(s.pos, "result is more than 4 MiB longer than the word")
}

func (s *scanner) fault(offset int, msg string) *Error {
	return &Error{Word: s.word, Offset: offset, Msg: msg}
}
