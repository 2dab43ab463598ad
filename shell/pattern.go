package shell

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// pattern is a shell pattern: the pieces between its stars. A star matches any
// text within a line, so that the pieces after it stay on the line it began
// on, until one of them matches a line end itself.
//
// Because a piece has a fixed number of characters, the earliest place of each
// piece leaves the most room for the next one: no match needs a second try,
// and matching takes time in proportion to the value for pieces without "?".
type pattern struct {
	pieces []piece
	steps  int // that matching may still take; below 0 nothing matches any more
}

// piece is text in which a "?" may stand for any character but a line end.
type piece struct {
	text  string // of an ordinary piece
	runes []rune // of one that cannot be compared byte by byte; a "?" is anyRune
}

// errSteps is the fault of a pattern that was given up. Upstream takes the time.
var errSteps = errors.New("pattern takes too long to match")

// allow sets how many steps matching of that many bytes may take: far more than
// it takes without "?" and line ends, with which it can be the product of the
// lengths of value and pattern.
func (p *pattern) allow(bytes int) { p.steps = 64*bytes + 1<<16 }

const anyRune rune = -1

// compile reads a pattern: * and ? are special, \*, \? and \\ are those
// characters, and \} and \/ leave the backslash out. There are no brackets.
func compile(text string) (*pattern, error) {
	p := &pattern{}
	var runes []rune
	// Upstream: the pattern goes through a scanner that drops a byte order
	// mark, a second time.
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
	// Upstream: a replacement character stands for a byte that is not UTF-8 too.
	if slices.Contains(runes, anyRune) || slices.Contains(runes, utf8.RuneError) {
		return piece{runes: runes}
	}
	return piece{text: string(runes)}
}

// at returns where piece k ends if it stands in v at i.
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

// first returns the first place of piece k in v that begins in [from, to].
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

// scanned is how much of a part was looked at to find something at i, or not.
func scanned(i int, part string) int {
	if i < 0 {
		return len(part)
	}
	return i + 1
}

// last returns where the last place of piece k in v ends that begins in
// [from, to].
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

// lineEnd returns where the line ends that v[i] is on: at its line feed, or at
// the end of v. line is what it returned for some place before, or -1; it is
// the answer still if i has not gone beyond.
func lineEnd(v string, i, line int) int {
	if i <= line {
		return line
	}
	if n := strings.IndexByte(v[i:], '\n'); n >= 0 {
		return i + n
	}
	return len(v)
}

// match returns where the shortest or longest match that begins at v[start]
// ends; line is where that line ends, or -1. Only the last piece makes a
// difference between shortest and longest.
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

// search looks for one match after the other.
type search struct {
	p    *pattern
	v    string
	line int // where the line ends that the search has come to; -1 at first
}

// next returns the longest of the leftmost matches that begin at from or
// later; from never decreases. If one place on a line begins no match, then no
// later one on the line does: its pieces would have to stand on the same
// lines, further right.
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

// replaceFirst cuts the value in three: what is before the first match, what
// takes its place, and what is after it.
func (p *pattern) replaceFirst(v, replacement string) (before, with, after string) {
	s := search{p: p, v: v, line: -1}
	if start, end, ok := s.next(0); ok {
		return v[:start], replacement, v[end:]
	}
	return v, "", ""
}

// wholeMatch lends its template language to replaceAll.
var wholeMatch = regexp.MustCompile("")

// replaceAll replaces all matches that do not overlap, as package regexp does:
// an empty match right after another match does not count. It gives up, with
// false, on a result that would have more than limit bytes.
//
// Upstream: in a replacement of all matches, unlike in one of the first, $0 is
// the match, $$ a dollar sign, and $name nothing.
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

// trimPrefix returns v without the shortest or longest prefix that matches.
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

// trimSuffix returns v without the shortest or longest suffix that matches.
//
// Upstream: it trims a prefix of the reversed value by the reversed pattern,
// and so do we: errors show the pattern reversed, a lone backslash at its end
// comes to escape what was before it, and what is not UTF-8 in the value
// becomes replacement characters.
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

// reversePattern reverses a pattern but for backslashes, which stay before
// what they escape.
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
