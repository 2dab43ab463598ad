package ignore

import (
	"bufio"
	"bytes"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/moby/patternmatcher"

	"slipway/source"
)

// Rule is a line of an ignore file with a pattern.
type Rule struct {
	Pattern string // cleaned, without leading slash and without !
	Keep    bool   // the line starts with !: matching paths are included
	Range   source.Range
}

// Matcher holds the rules of an ignore file. It is immutable. Safe for
// concurrent use.
type Matcher struct {
	rules []compiled
	wild  map[string]*patternmatcher.PatternMatcher // matchers by line, without duplicates
	names map[string]bool                           // excluding rules without wildcards
	long  int                                       // length of the longest of names, in bytes
	keeps bool                                      // whether any rule starts with !
	bytes int                                       // total length of the patterns in wild
}

// compiled is a rule with its own matcher. The library matches all patterns at
// once and does not return which one was decisive.
type compiled struct {
	Rule
	match *patternmatcher.PatternMatcher // nil if the pattern has no wildcards
}

// LineError is an error about a line of an ignore file.
type LineError struct {
	Range source.Range // range of the line, without its line end
	Err   error
}

// Error implements [error].
func (e *LineError) Error() string {
	return fmt.Sprintf("%s:%d: %v", e.Range.File.Name, e.Range.Position().Line, e.Err)
}

// Unwrap returns the error without the location.
func (e *LineError) Unwrap() error { return e.Err }

// lineError returns an error about a line.
func lineError(f *source.File, line int, err error) error {
	start := f.LineStart(line)
	return &LineError{source.Range{File: f, Start: start, End: start + len(f.Line(line))}, err}
}

// Parse parses an ignore file. Errors are of type [LineError]: a malformed
// pattern, a lone "!", a line above 64 KiB, or a [LimitError].
func Parse(f *source.File) (*Matcher, error) {
	patterns, err := Patterns(f.Bytes)
	if err != nil {
		return nil, lineError(f, failing(f.Bytes), err)
	}
	m := &Matcher{
		rules: make([]compiled, 0, len(patterns)),
		wild:  map[string]*patternmatcher.PatternMatcher{},
		names: map[string]bool{},
	}
	line := 0
	for text := range bytes.SplitSeq(f.Bytes, []byte("\n")) {
		line++
		if !hasPattern(line, text) {
			continue
		}
		r, err := m.compile(patterns[len(m.rules)])
		if err != nil {
			return nil, lineError(f, line, err)
		}
		r.Range = f.LineRange(line, line)
		m.rules = append(m.rules, r)
	}
	return m, nil
}

// hasPattern reports whether a line is neither empty nor a comment.
func hasPattern(line int, text []byte) bool {
	if line == 1 {
		// Only the first line of a file may start with a byte order mark.
		text = bytes.TrimPrefix(text, []byte("\ufeff"))
	}
	return !bytes.HasPrefix(text, []byte("#")) && len(bytes.TrimSpace(text)) > 0
}

// failing returns the number of the first line that is too long or exceeds the
// number of lines.
func failing(content []byte) int {
	n := 1
	for text := range bytes.SplitSeq(content, []byte("\n")) {
		if len(text) >= bufio.MaxScanTokenSize || n > maxLines {
			break
		}
		n++
	}
	return n
}

// compile converts a line to a rule. Names without wildcards, of which there
// may be many, need no matcher.
func (m *Matcher) compile(text string) (compiled, error) {
	var c compiled
	c.Pattern, c.Keep = strings.CutPrefix(text, "!")
	m.keeps = m.keeps || c.Keep
	name := strings.TrimPrefix(path.Clean(strings.TrimSpace(text)), "!")
	if name != "" && !strings.ContainsAny(name, `*?[]\`) {
		if !c.Keep {
			m.names[name] = true
			m.long = max(m.long, len(name))
		}
		return c, nil
	}
	if c.match = m.wild[text]; c.match != nil {
		return c, nil
	}
	if m.bytes += len(text); len(m.wild) == maxWild || m.bytes > maxWildBytes || len(text) > maxWildLine {
		return c, &LimitError{fmt.Sprintf("the ignore file has more than %d patterns with wildcards, more than %d KiB of them, or one above %d bytes", maxWild, maxWildBytes>>10, maxWildLine)}
	}
	patterns := []string{text}
	if c.Keep {
		// Rules with ! only apply to paths that an earlier rule excludes.
		patterns = []string{"**", text}
	}
	var err error
	if c.match, err = patternmatcher.New(patterns); err != nil {
		return c, err
	}
	m.wild[text] = c.match
	// The library compiles a pattern on its first use.
	_, err = c.match.MatchesOrParentMatches("x")
	return c, err
}

// applies reports whether the pattern matches the path or one of its parent
// directories.
func (c *compiled) applies(name string) bool {
	if c.match == nil {
		pattern := path.Clean(strings.TrimSpace(c.Pattern))
		return slices.Contains(slices.Collect(withParents(name)), pattern)
	}
	ignored, err := c.match.MatchesOrParentMatches(name)
	return err == nil && ignored != c.Keep
}

// withParents yields a path and its parent directories, in the order in which
// the library matches them.
func withParents(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		parent := path.Dir(name)
		if !yield(name) || parent == "." {
			return
		}
		for i := range parent {
			if parent[i] == '/' && !yield(parent[:i]) {
				return
			}
		}
		yield(parent)
	}
}

// decide reports whether a path is excluded. It also returns the index of the
// decisive rule, or -1. name is a clean path relative to the context and uses
// slashes.
func (m *Matcher) decide(name string) (ignored bool, by int) {
	by = -1
	for i := range m.rules {
		r := &m.rules[i]
		if r.Keep == ignored && r.applies(name) {
			ignored, by = !r.Keep, i
		}
	}
	return ignored, by
}
