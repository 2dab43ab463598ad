package ignore

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"slipway/source"
)

// Rule is a line of an ignore file with a pattern.
type Rule struct {
	Pattern string // cleaned, without leading slash and without !
	Keep    bool   // the line starts with !: what matches is kept
	Range   source.Range
}

// Matcher holds the rules of an ignore file. It is not changed after Parse and
// may be used by several goroutines.
type Matcher struct{ rules []compiled }

// compiled is a rule with a matcher of its own, which is how one learns which
// of the rules decided.
type compiled struct {
	Rule
	match *patternmatcher.PatternMatcher
}

// Parse reads an ignore file. An error names the line: a pattern that is
// malformed, a lone "!", or a line above 64 KiB.
func Parse(f *source.File) (*Matcher, error) {
	m := &Matcher{}
	for i, line := range bytes.Split(f.Bytes, []byte("\n")) {
		text, err := readLine(i, line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", f.Name, i+1, err)
		}
		if text == "" {
			continue
		}
		r, err := compile(text)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", f.Name, i+1, err)
		}
		r.Range = f.LineRange(i+1, i+1)
		m.rules = append(m.rules, r)
	}
	return m, nil
}

// readLine returns the pattern of a line with its "!", or "" for a comment or
// an empty line.
func readLine(i int, line []byte) (string, error) {
	if i > 0 {
		// Only the first line of a file may start with a byte order mark.
		line = append([]byte("\n"), line...)
	}
	patterns, err := ignorefile.ReadAll(bytes.NewReader(line))
	if err != nil || len(patterns) == 0 {
		return "", err
	}
	return patterns[0], nil
}

func compile(text string) (compiled, error) {
	var c compiled
	c.Pattern, c.Keep = strings.CutPrefix(text, "!")
	patterns := []string{text}
	if c.Keep {
		// Rules that keep only take effect on what is ignored.
		patterns = []string{"**", text}
	}
	var err error
	if c.match, err = patternmatcher.New(patterns); err != nil {
		return c, err
	}
	// The library compiles a pattern when it is first used.
	_, err = c.match.MatchesOrParentMatches("x")
	return c, err
}

// applies tells whether the pattern matches the path or a directory above it.
func (c *compiled) applies(name string) bool {
	ignored, err := c.match.MatchesOrParentMatches(name)
	return err == nil && ignored != c.Keep
}

// Rules returns the rules in the order of the file.
func (m *Matcher) Rules() []Rule {
	rules := make([]Rule, len(m.rules))
	for i := range m.rules {
		rules[i] = m.rules[i].Rule
	}
	return rules
}

// decide returns whether a path is ignored, and the index of the rule that
// decided, or -1. name is clean, with slashes, relative to the context.
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
