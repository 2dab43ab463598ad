package shell

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// pattern is a shell pattern, split at its stars. A star matches any text
// within a line. The following pieces must therefore match on the same line,
// unless one of them itself matches a line end.
//
// A piece matches a fixed number of characters, so the earliest match of each
// piece leaves the most room for the next one. Matching never backtracks and,
// without "?", takes time proportional to the length of the value.
type pattern struct {
	pieces []piece
	steps  int // remaining steps; if negative, nothing matches
}

// piece is text in which "?" matches any character except a line end.
type piece struct {
	text  string // the text, if it can be compared bytewise
	runes []rune // the text otherwise; "?" is anyRune
}

// errSteps is the error for a pattern that exceeds its steps. Upstream has no
// limit.
var errSteps = errors.New("pattern takes too long to match")

// allow sets the step limit for the given number of bytes. It is far more than
// needed without "?" and line ends. With these, matching may take time
// proportional to the product of both lengths.
func (p *pattern) allow(bytes int) { p.steps = 64*bytes + 1<<16 }

const anyRune rune = -1

// compile parses a pattern: * and ? are special, \*, \? and \\ are literal, and
// \} and \/ drop the backslash. Brackets are not special.
func compile(text string) (*pattern, error) {
	p := &pattern{}
	var runes []rune
	// Upstream: the pattern passes through another scanner, which drops a byte
	// order mark, too.
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

func newPiece(runes []rune) piece {
	// Upstream: a replacement character also matches an invalid UTF-8 byte.
	if slices.Contains(runes, anyRune) || slices.Contains(runes, utf8.RuneError) {
		return piece{runes: runes}
	}
	return piece{text: string(runes)}
}

// at matches piece k at v[i:] and returns the end of the match.
func (p *pattern) at(k int, v string, i int) (int, bool) {
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

// first returns the first match of piece k in v that begins in [from, to].
func (p *pattern) first(k int, v string, from, to int) (start, end int, ok bool) {
	if pc := &p.pieces[k]; pc.runes == nil {
		part := v[from:min(to+len(pc.text), len(v))]
		i := strings.Index(part, pc.text)
		if p.steps -= scanned(i, part); p.steps < 0 {
			i = -1
		}
		return from + i, from + i + len(pc.text), i >= 0
	}
	for i := from; i <= to && p.steps >= 0; {
		if end, ok := p.at(k, v, i); ok {
			return i, end, true
		}
		_, n := utf8.DecodeRuneInString(v[i:])
		i += max(n, 1)
	}
	return 0, 0, false
}

// scanned returns the number of bytes examined to find a match at i, or none if
// i is negative.
func scanned(i int, part string) int {
	if i < 0 {
		return len(part)
	}
	return i + 1
}

// last returns the end of the last match of piece k in v that begins in [from,
// to].
func (p *pattern) last(k int, v string, from, to int) (int, bool) {
	if pc := &p.pieces[k]; pc.runes == nil {
		part := v[from:min(to+len(pc.text), len(v))]
		i := strings.LastIndex(part, pc.text)
		p.steps -= len(part) - max(i, 0)
		return from + i + len(pc.text), i >= 0 && p.steps >= 0
	}
	for i := to; p.steps >= 0; {
		if end, ok := p.at(k, v, i); ok {
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

// lineEnd returns the end of the line that contains v[i]: the index of its line
// feed, or len(v). line is a previous result, which is reused if i has not
// passed it, or -1.
func lineEnd(v string, i, line int) int {
	if i <= line {
		return line
	}
	if n := strings.IndexByte(v[i:], '\n'); n >= 0 {
		return i + n
	}
	return len(v)
}

// match returns the end of the shortest or longest match that begins at
// v[start]. line is the end of the line of start, or -1. Only the last piece
// can make the match longer.
func (p *pattern) match(v string, start, line int, longest bool) (int, bool) {
	end, ok := p.at(0, v, start)
	for k := 1; ok && k < len(p.pieces); k++ {
		line = lineEnd(v, end, line)
		if longest && k == len(p.pieces)-1 {
			return p.last(k, v, end, line)
		}
		_, end, ok = p.first(k, v, end, line)
	}
	return end, ok
}

// search iterates over the matches of p in v.
type search struct {
	p    *pattern
	v    string
	line int // end of the current line; -1 initially
}

// next returns the leftmost, longest match that begins at from or later. from
// must not decrease between calls. If an attempt on a line fails, later
// attempts on the same line are skipped: they would need their pieces further
// right on the same line.
func (s *search) next(from int) (start, end int, ok bool) {
	for from <= len(s.v) && s.p.steps >= 0 {
		s.line = lineEnd(s.v, from, s.line)
		if start, _, ok = s.p.first(0, s.v, from, s.line); ok {
			if end, ok = s.p.match(s.v, start, s.line, true); ok {
				return start, end, true
			}
		}
		from = s.line + 1
	}
	return 0, 0, false
}

// replaceFirst splits v around the first match: the text before it, its
// replacement, and the text after it.
func (p *pattern) replaceFirst(v, replacement string) (before, with, after string) {
	s := search{p: p, v: v, line: -1}
	if start, end, ok := s.next(0); ok {
		return v[:start], replacement, v[end:]
	}
	return v, "", ""
}

// wholeMatch provides the template expansion for replaceAll.
var wholeMatch = regexp.MustCompile("")

// replaceAll replaces all non-overlapping matches, as package regexp does: an
// empty match directly after another match is skipped. It returns false if the
// result would exceed limit bytes.
//
// Upstream: if all matches are replaced, but not if only the first is, $0 is
// the match, $$ a dollar sign, and $name empty.
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

// trimPrefix returns v without its shortest or longest prefix that matches.
func trimPrefix(v, text string, longest bool) (string, error) {
	p, err := compile(text)
	if err != nil {
		return "", err
	}
	p.allow(len(v) + len(text))
	if end, ok := p.match(v, 0, -1, longest); ok {
		v = v[end:]
	}
	if p.steps < 0 {
		return "", errSteps
	}
	return v, nil
}

// trimSuffix returns v without its shortest or longest suffix that matches.
//
// Upstream: it trims a prefix of the reversed value with the reversed pattern.
// Errors thus show the pattern reversed, a trailing backslash escapes the
// character before it, and invalid UTF-8 in the value becomes replacement
// characters. This function reproduces all of that.
func trimSuffix(v, text string, longest bool) (string, error) {
	v, err := trimPrefix(reverse(v), reversePattern(text), longest)
	if err != nil {
		return "", err
	}
	return reverse(v), nil
}

func reverse(s string) string {
	runes := []rune(s)
	slices.Reverse(runes)
	return string(runes)
}

// reversePattern reverses a pattern but keeps each backslash before the
// character it escapes.
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
