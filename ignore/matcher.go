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

// Rule is a line with a pattern in an ignore file.
type Rule struct {
	Pattern string // cleaned, without the leading slash and without !
	Include bool   // whether the line starts with !, so that matching paths are included
	Range   source.Range
}

// Matcher decides which paths an ignore file excludes. It is immutable. Safe for
// concurrent use.
type Matcher struct {
	rules         []compiledRule
	wildcards     map[string]*patternmatcher.PatternMatcher // the matchers of patterns with wildcards, by line
	names         map[string]bool                           // the patterns of excluding rules without wildcards
	longestName   int                                       // the length in bytes of the longest string in names
	hasInclude    bool                                      // whether any rule starts with !
	wildcardBytes int                                       // the total length of the patterns in wildcards
}

// compiledRule is a rule with its own matcher. The pattern library could match all
// patterns at once, but would not report which pattern was decisive.
type compiledRule struct {
	Rule
	match *patternmatcher.PatternMatcher // nil if the pattern has no wildcards
}

// LineError is an error about a line in an ignore file.
type LineError struct {
	Range source.Range // the line without its line end
	Err   error
}

// Error implements [error].
func (e *LineError) Error() string {
	return fmt.Sprintf("%s:%d: %v", e.Range.File.Name, e.Range.Position().Line, e.Err)
}

// Unwrap returns the error without the location.
func (e *LineError) Unwrap() error { return e.Err }

// lineError returns err as a [LineError] about the line of f with the given number.
func lineError(f *source.File, line int, err error) error {
	start := f.LineStart(line)
	return &LineError{source.Range{File: f, Start: start, End: start + len(f.Line(line))}, err}
}

// Parse parses an ignore file. Errors have the type *[LineError]. They are about a
// malformed pattern, a lone "!", a line of 64 KiB or more, or a limit ([LimitError]).
func Parse(f *source.File) (*Matcher, error) {
	patterns, err := Patterns(f.Bytes)
	if err != nil {
		return nil, lineError(f, failingLine(f.Bytes), err)
	}
	m := &Matcher{
		rules:     make([]compiledRule, 0, len(patterns)),
		wildcards: map[string]*patternmatcher.PatternMatcher{},
		names:     map[string]bool{},
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

// hasPattern reports whether text, a line of an ignore file, is neither empty nor a
// comment. The parameter line is the number of the line, because only the first line may
// start with a byte order mark.
func hasPattern(line int, text []byte) bool {
	if line == 1 {
		// Only the first line of a file may start with a byte order mark.
		text = bytes.TrimPrefix(text, []byte("\ufeff"))
	}
	return !bytes.HasPrefix(text, []byte("#")) && len(bytes.TrimSpace(text)) > 0
}

// failingLine returns the number of the line that makes an ignore file exceed a limit:
// the first line that is too long, or the line after the first maxLines lines.
func failingLine(content []byte) int {
	n := 1
	for text := range bytes.SplitSeq(content, []byte("\n")) {
		if len(text) >= bufio.MaxScanTokenSize || n > maxLines {
			break
		}
		n++
	}
	return n
}

// compile converts a line to a rule. Patterns without wildcards need no matcher, which
// saves memory because a file may have many of them.
func (m *Matcher) compile(text string) (compiledRule, error) {
	var c compiledRule
	c.Pattern, c.Include = strings.CutPrefix(text, "!")
	m.hasInclude = m.hasInclude || c.Include
	name := strings.TrimPrefix(path.Clean(strings.TrimSpace(text)), "!")
	if name != "" && !strings.ContainsAny(name, `*?[]\`) {
		if !c.Include {
			m.names[name] = true
			m.longestName = max(m.longestName, len(name))
		}
		return c, nil
	}
	if c.match = m.wildcards[text]; c.match != nil {
		return c, nil
	}
	if m.wildcardBytes += len(text); len(m.wildcards) == maxWildcards || m.wildcardBytes > maxWildcardBytes || len(text) > maxPatternLength {
		return c, &LimitError{fmt.Sprintf("the ignore file has more than %d patterns with wildcards, more than %d KiB of them, or one above %d bytes", maxWildcards, maxWildcardBytes>>10, maxPatternLength)}
	}
	patterns := []string{text}
	if c.Include {
		// A rule with ! only applies to paths that an earlier rule excludes.
		patterns = []string{"**", text}
	}
	var err error
	if c.match, err = patternmatcher.New(patterns); err != nil {
		return c, err
	}
	m.wildcards[text] = c.match
	// The library compiles a pattern on its first use.
	_, err = c.match.MatchesOrParentMatches("x")
	return c, err
}

// applies reports whether the pattern matches the path or one of its parent directories.
func (c *compiledRule) applies(name string) bool {
	if c.match == nil {
		pattern := path.Clean(strings.TrimSpace(c.Pattern))
		return slices.Contains(slices.Collect(withParents(name)), pattern)
	}
	ignored, err := c.match.MatchesOrParentMatches(name)
	return err == nil && ignored != c.Include
}

// withParents returns an iterator over a path, given by the parameter name, and then its
// parent directories from the topmost down. This is the order in which the pattern
// library matches them.
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

// decide reports whether a path is excluded. It also returns the index of the decisive
// rule, or -1. The parameter name is the path: clean, with slashes, and relative to the
// context.
func (m *Matcher) decide(name string) (ignored bool, by int) {
	by = -1
	for i := range m.rules {
		r := &m.rules[i]
		if r.Include == ignored && r.applies(name) {
			ignored, by = !r.Include, i
		}
	}
	return ignored, by
}
