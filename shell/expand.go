package shell

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Mode selects the parts of a word that an expansion leaves unchanged. Modes are combined
// with |. The zero Mode expands everything, and is the mode for most instructions.
type Mode uint8

const (
	// KeepQuotes leaves quote characters in the result. Quoted text is still not split,
	// and variables in single quotes are still not expanded.
	KeepQuotes Mode = 1 << iota
	// KeepEscapes leaves escape characters in the result. The characters after them still
	// have no special meaning.
	KeepEscapes
	// KeepUnset leaves references to unset variables in the result, but expands their operands,
	// such as w in ${v-w}. With KeepUnset, ${v?m} is not an error if v is unset.
	KeepUnset
	// NoQuotes treats quotes as ordinary characters, as in the bodies of heredocs.
	NoQuotes
)

const (
	// maxDepth is the maximum nesting depth of operands, such as w in ${v-w}. Upstream
	// recurses without a limit, until the Go runtime aborts the process. encoding/json
	// has the same limit.
	maxDepth = 10_000
	// maxGrowth is the maximum number of bytes by which the result of an expansion may be longer
	// than the word. It is much larger than the environment that a process can have. The limit
	// stops variables that double their length on every line.
	maxGrowth = 4 << 20
)

// Expander expands variables and quotes in words. Safe for concurrent use.
type Expander struct {
	Escape byte // the escape character of the file, '\\' or '`'; zero means '\\'
	Mode   Mode

	// Lookup evaluates the operator :@ of ${name:@table}. It returns the entry of the table for
	// a value. If Lookup is nil, this operator and ^, ^^, "," and ",," are errors, as in
	// BuildKit.
	Lookup func(value, table string) (string, error)
}

// Expansion is the result of expanding a word.
type Expansion struct {
	Value     string
	Matched   []string // names of set variables, without duplicates, in order of first use
	Unmatched []Use    // first use of each unset variable, in order
	Mapped    []Mapped // expressions with operators that BuildKit lacks, in order
}

// Use is a reference to a variable in a word: word[Offset:End] is "$name" or "${name…}",
// including the braces and any operand, such as w in ${name-w}.
type Use struct {
	Name   string
	Offset int
	End    int
}

// Error is an error in a word that is being expanded.
type Error struct {
	Word   string // the whole word
	Offset int    // the offset in Word of the cause: an unclosed quote or brace, a modifier, or a pattern
	Msg    string // the message without the word
}

// Error implements error with upstream's text, which quotes the word.
func (e *Error) Error() string {
	return fmt.Sprintf("failed to process %q: %s", e.Word, e.Msg)
}

// Expand replaces the variables, quotes and escapes in word. If env is nil, no variables
// are set.
//
// All errors have the type *Error. If Expand fails, the result contains the names of the
// variables that precede the error. A variable counts as used when its expression is
// complete, whether or not its value is needed: ${A:-$B} uses both B and A, even if A has
// a value.
func (x Expander) Expand(word string, env Env) (Expansion, error) {
	if x.isLiteral(word) {
		return Expansion{Value: word}, nil
	}
	if env == nil {
		env = Map(nil)
	}
	if name, ok := soleVariable(word); ok {
		if v, set := env.Lookup(name); set && len(v) <= limit(word) {
			return Expansion{Value: v, Matched: []string{name}}, nil
		}
	}
	s := x.scanner(word, env)
	err := s.text(noStop, false)
	if s.overflow != nil {
		err = s.overflow
	}
	res := Expansion{Matched: s.matched.names(), Unmatched: s.unmatched.sorted(), Mapped: s.mapped}
	if err != nil {
		return res, err
	}
	res.Value = string(s.out)
	return res, nil
}

// scanner returns a [scanner] at the start of word, after any byte order mark.
func (x Expander) scanner(word string, env Env) scanner {
	s := scanner{
		word: word, env: env, out: make([]byte, 0, len(word)+32),
		esc: x.escape(), mode: x.Mode, keepEscapes: x.Mode&KeepEscapes != 0, lookup: x.Lookup,
	}
	// Upstream: the scanner drops one byte order mark.
	if strings.HasPrefix(word, "\ufeff") {
		s.pos = len("\ufeff")
	}
	return s
}

// escape returns the escape character, which is \ by default.
func (x Expander) escape() byte {
	if x.Escape == 0 {
		return '\\'
	}
	return x.Escape
}

// isLiteral reports whether the word contains nothing to expand, so that the result of an
// expansion equals the word.
func (x Expander) isLiteral(word string) bool {
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

// soleVariable reports whether the whole word is $name or ${name}, and returns the name of
// this variable. For such a word, the result of an expansion can share the value instead of
// copying it.
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

// noStop is the stop character of [scanner.text] for text that extends to the end of the word.
const noStop = -1

// scanner holds the state of an expansion.
type scanner struct {
	word string
	pos  int // the offset of the next byte
	out  []byte
	env  Env
	esc  byte
	mode Mode

	keepEscapes bool // whether out retains escape characters: KeepEscapes, or the setting for the current operand
	depth       int  // the current nesting depth of operands
	operands    int  // the number of operands so far
	overflow    *Error
	matched     uses
	unmatched   uses
	lookup      func(value, table string) (string, error) // Expander.Lookup
	mapped      []Mapped
	inQuotes    bool // whether the scanner is inside double quotes
}

// text expands the word up to and including the given stop character. If the stop character is
// noStop, it expands the rest of the word. If the word lacks the stop character, it returns an
// error whose text the caller may replace. If the text is a pattern, it doubles the escape
// characters inside quotes, so that the pattern matches them literally.
func (s *scanner) text(stop int, pattern bool) *Error {
	for s.pos < len(s.word) {
		s.putText(s.ordinaryText(stop))
		if s.pos == len(s.word) {
			break
		}
		c := s.word[s.pos]
		if int(c) == stop {
			s.pos++
			return nil
		}
		var err *Error
		switch c {
		case '$':
			err = s.dollar()
		case '\'':
			err = s.singleQuoted(pattern)
		case '"':
			err = s.doubleQuoted(pattern)
		default:
			s.escapedChar()
		}
		if err != nil {
			return err
		}
	}
	if stop != noStop {
		return s.errorAt(s.pos, "unexpected end of statement while looking for matching "+string(rune(stop)))
	}
	return nil
}

// ordinaryText consumes and returns the characters up to the next one with a special
// meaning.
func (s *scanner) ordinaryText(stop int) string {
	start, quotes := s.pos, s.mode&NoQuotes == 0
	for ; s.pos < len(s.word); s.pos++ {
		c := s.word[s.pos]
		if c == '$' || c == s.esc || int(c) == stop || quotes && (c == '\'' || c == '"') {
			break
		}
	}
	return s.word[start:s.pos]
}

// put appends v to the output unchanged. If the output would exceed its maximum length,
// put sets s.overflow instead.
func (s *scanner) put(v string) {
	if len(s.out)+len(v) > limit(s.word) {
		if s.overflow == nil {
			s.overflow = s.tooLong()
		}
		return
	}
	s.out = append(s.out, v...)
}

// putText appends text from the word to the output.
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

// next consumes and returns one character. It returns -1 at the end of the word.
func (s *scanner) next() rune {
	if s.pos == len(s.word) {
		return -1
	}
	r, n := utf8.DecodeRuneInString(s.word[s.pos:])
	s.pos += n
	return r
}

// limit returns the maximum length in bytes of the expansion of word. An invalid UTF-8
// byte in the word becomes three bytes in the result.
func limit(word string) int { return 3*len(word) + maxGrowth }

// tooLong returns the error for a result that exceeds the limit.
func (s *scanner) tooLong() *Error {
	return s.errorAt(s.pos, "result is more than 4 MiB longer than the word")
}

// errorAt returns an error with the given offset in the word.
func (s *scanner) errorAt(offset int, msg string) *Error {
	return &Error{Word: s.word, Offset: offset, Msg: msg}
}
