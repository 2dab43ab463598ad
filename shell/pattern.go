package shell

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// pattern is a shell pattern, split at its stars. A star matches any text within a line.
// The next piece must therefore match on the same line, unless one of the pieces itself
// matches a line end.
//
// A piece matches a fixed number of characters. The earliest match of each piece
// therefore leaves the most room for the next piece, and matching never backtracks.
// Without "?", matching takes time proportional to the length of the value.
type pattern struct {
	pieces []piece
	steps  int // the number of remaining steps; if negative, nothing matches
}

// piece is a part of a pattern without stars, such as the text between two stars. A "?" in
// a piece matches any character except a line end.
type piece struct {
	text  string // the text of the piece, if it can be compared byte by byte
	runes []rune // otherwise, the characters of the piece, with anyRune for "?"; nil if text is used
}

// errSteps is the error for a pattern whose matching takes too many steps. Upstream does
// not limit the steps.
var errSteps = errors.New("pattern takes too long to match")

// limitSteps sets the maximum number of steps for matching a value. The parameter bytes is the
// total length of the value and the pattern. A pattern without "?" and line ends needs far
// fewer steps than the maximum. Without a limit, the time for other patterns could be
// proportional to the product of the lengths.
func (p *pattern) limitSteps(bytes int) { p.steps = 64*bytes + 1<<16 }

// anyRune represents "?" in the runes of a piece.
const anyRune rune = -1

// compile parses a pattern. * and ? are special, \*, \? and \\ are literal, and \} and \/
// drop the backslash. Brackets are not special.
func compile(text string) (*pattern, error) {
	p := &pattern{}
	var runes []rune
	// Upstream: a second scanner reads the pattern, and drops another byte order mark.
	rest := strings.TrimPrefix(text, "\ufeff")
	for rest != "" {
		r, n := utf8.DecodeRuneInString(rest)
		rest = rest[n:]
		switch r {
		case '*':
			p.pieces, runes = append(p.pieces, newPiece(runes)), nil
			continue
		case '?':
			r = anyRune
		case '\\':
			if strings.HasPrefix(rest, "}") || strings.HasPrefix(rest, "/") {
				continue
			}
			r, n = utf8.DecodeRuneInString(rest)
			if r != '*' && r != '?' && r != '\\' {
				return nil, fmt.Errorf("invalid pattern (%s) in substitution: invalid escape '\\%c'", text, r)
			}
			rest = rest[n:]
		}
		runes = append(runes, r)
	}
	p.pieces = append(p.pieces, newPiece(runes))
	return p, nil
}

// newPiece returns a piece of a pattern, the part between two stars, with the given
// characters.
func newPiece(runes []rune) piece {
	// Upstream: a replacement character also matches an invalid UTF-8 byte.
	if slices.Contains(runes, anyRune) || slices.Contains(runes, utf8.RuneError) {
		return piece{runes: runes}
	}
	return piece{text: string(runes)}
}

// matchPiece matches the pattern piece p.pieces[k] against the text of v that starts at index
// i. It returns the end of the match, and whether the piece matches.
func (p *pattern) matchPiece(k int, v string, i int) (int, bool) {
	pc := &p.pieces[k]
	if p.steps--; p.steps < 0 {
		return 0, false
	}
	if pc.runes == nil {
		return i + len(pc.text), strings.HasPrefix(v[i:], pc.text)
	}
	for n, want := range pc.runes {
		r, size := utf8.DecodeRuneInString(v[i:])
		if size == 0 || r != want && (want != anyRune || r == '\n') {
			p.steps -= n
			return 0, false
		}
		i += size
	}
	p.steps -= len(pc.runes)
	return i, true
}

// firstMatch finds the first match in v of the pattern piece p.pieces[k]. The match must start
// in the inclusive range of indexes [from, to]. If there is no match, ok is false.
func (p *pattern) firstMatch(k int, v string, from, to int) (start, end int, ok bool) {
	if pc := &p.pieces[k]; pc.runes == nil {
		part := v[from:min(to+len(pc.text), len(v))]
		i := strings.Index(part, pc.text)
		if p.steps -= examined(i, part); p.steps < 0 {
			i = -1
		}
		return from + i, from + i + len(pc.text), i >= 0
	}
	for i := from; i <= to && p.steps >= 0; {
		if end, ok := p.matchPiece(k, v, i); ok {
			return i, end, true
		}
		_, n := utf8.DecodeRuneInString(v[i:])
		i += max(n, 1)
	}
	return 0, 0, false
}

// examined returns the number of bytes that a search in s examined until it found a match
// at s[i]. If i is negative, the search found no match and examined all bytes.
func examined(i int, s string) int {
	if i < 0 {
		return len(s)
	}
	return i + 1
}

// lastMatch finds the last match in v of the pattern piece p.pieces[k]. The match must start in
// the inclusive range of indexes [from, to]. The results are the end of the match, and whether
// there is a match.
func (p *pattern) lastMatch(k int, v string, from, to int) (int, bool) {
	if pc := &p.pieces[k]; pc.runes == nil {
		part := v[from:min(to+len(pc.text), len(v))]
		i := strings.LastIndex(part, pc.text)
		p.steps -= len(part) - max(i, 0)
		return from + i + len(pc.text), i >= 0 && p.steps >= 0
	}
	for i := to; p.steps >= 0; {
		if end, ok := p.matchPiece(k, v, i); ok {
			return end, true
		}
		if i <= from {
			break
		}
		_, n := utf8.DecodeLastRuneInString(v[from:i])
		i -= n
	}
	return 0, false
}

// lineEnd returns the end of the line that contains v[i]: the index of the line feed, or len(v)
// for the last line. The parameter earlier is the result of an earlier call for v, or -1. If i
// does not exceed earlier, lineEnd returns earlier without a search.
func lineEnd(v string, i, earlier int) int {
	if i <= earlier {
		return earlier
	}
	if n := strings.IndexByte(v[i:], '\n'); n >= 0 {
		return i + n
	}
	return len(v)
}

// match returns the end of a match that begins at v[start], and whether such a match exists. If
// longest is true, match finds the longest match, otherwise the shortest. The parameter eol is
// the end of the line that contains v[start], or -1 if unknown. The shortest and the longest
// match differ only in the position of the last piece, the text after the last star of the
// pattern.
func (p *pattern) match(v string, start, eol int, longest bool) (int, bool) {
	end, ok := p.matchPiece(0, v, start)
	for k := 1; ok && k < len(p.pieces); k++ {
		eol = lineEnd(v, end, eol)
		if longest && k == len(p.pieces)-1 {
			return p.lastMatch(k, v, end, eol)
		}
		_, end, ok = p.firstMatch(k, v, end, eol)
	}
	return end, ok
}

// search iterates over the matches of a pattern in a value, from left to right.
type search struct {
	p    *pattern
	v    string
	line int // the end of the current line; initially -1
}

// next returns the first match that begins at or after an index of the value. Of several
// matches with the same start, it returns the longest. Later calls must not pass a smaller
// index. If the first match of the first piece on a line does not lead to a match of the
// pattern, next skips the rest of the line. A later start would leave even less room for the
// other pieces.
func (s *search) next(from int) (start, end int, ok bool) {
	for from <= len(s.v) && s.p.steps >= 0 {
		s.line = lineEnd(s.v, from, s.line)
		if start, _, ok = s.p.firstMatch(0, s.v, from, s.line); ok {
			if end, ok = s.p.match(s.v, start, s.line, true); ok {
				return start, end, true
			}
		}
		from = s.line + 1
	}
	return 0, 0, false
}

// replaceFirst finds the first match of the pattern in v. It returns the text before the match,
// the replacement, and the text after the match. If v contains no match, it returns v, "" and
// "".
func (p *pattern) replaceFirst(v, replacement string) (before, with, after string) {
	s := search{p: p, v: v, line: -1}
	if start, end, ok := s.next(0); ok {
		return v[:start], replacement, v[end:]
	}
	return v, "", ""
}

// wholeMatch is a regular expression without groups. replaceAll only calls its method
// ExpandString, to expand $0 and $$ in a replacement. The pattern therefore does not
// matter.
var wholeMatch = regexp.MustCompile("")

// replaceAll returns v with all non-overlapping matches of the pattern replaced. Like package
// regexp, it skips an empty match directly after another match. It returns false if the result
// would exceed the limit in bytes.
//
// Upstream: $0 in the replacement is the match, $$ a dollar sign, and $name is empty. In
// replaceFirst, these sequences have no special meaning.
func (p *pattern) replaceAll(v, replacement string, limit int) (string, bool) {
	var out []byte
	s := search{p: p, v: v, line: -1}
	dollars := strings.Count(replacement, "$")
	done := 0 // v[:done] is in out, or replaced
	for at := 0; ; {
		start, end, ok := s.next(at)
		if !ok {
			break
		}
		out = append(out, v[done:start]...)
		if end > done || start == 0 {
			if len(out)+len(replacement)+dollars*(end-start) > limit {
				return "", false
			}
			if dollars > 0 {
				out = wholeMatch.ExpandString(out, replacement, v, []int{start, end})
			} else {
				out = append(out, replacement...)
			}
		}
		done = end
		_, n := utf8.DecodeRuneInString(v[at:])
		at = max(at+max(n, 1), end)
	}
	return string(append(out, v[done:]...)), true
}

// trimPrefix returns v without the prefix that matches the pattern in the parameter text. If
// longest is true, it removes the longest matching prefix, otherwise the shortest.
func trimPrefix(v, text string, longest bool) (string, error) {
	p, err := compile(text)
	if err != nil {
		return "", err
	}
	p.limitSteps(len(v) + len(text))
	if end, ok := p.match(v, 0, -1, longest); ok {
		v = v[end:]
	}
	if p.steps < 0 {
		return "", errSteps
	}
	return v, nil
}

// trimSuffix returns v without the suffix that matches the pattern in the parameter text. If
// longest is true, it removes the longest matching suffix, otherwise the shortest.
//
// Upstream: the lexer trims a prefix from the reversed value with the reversed pattern. Errors
// therefore show the pattern reversed, a trailing backslash escapes the character before it,
// and invalid UTF-8 in the value becomes replacement characters. trimSuffix does the same.
func trimSuffix(v, text string, longest bool) (string, error) {
	v, err := trimPrefix(reverse(v), reversePattern(text), longest)
	if err != nil {
		return "", err
	}
	return reverse(v), nil
}

// reverse returns the characters of s in reverse order.
func reverse(s string) string {
	runes := []rune(s)
	slices.Reverse(runes)
	return string(runes)
}

// reversePattern reverses a pattern, but leaves each backslash before the character that
// it escapes.
func reversePattern(text string) string {
	runes := []rune(text)
	for i := 0; i < len(runes)-1; i++ {
		if runes[i] == '\\' {
			runes[i], runes[i+1] = runes[i+1], runes[i]
			i++
		}
	}
	slices.Reverse(runes)
	return string(runes)
}
