package ignore

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"slipway/source"
)

// parse parses an ignore file with the given content, which must be valid.
func parse(t *testing.T, text string) *Matcher {
	t.Helper()
	m, err := Parse(source.NewFile(".dockerignore", []byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestMatcher checks which paths an ignore file excludes, and which of its lines is
// decisive for a path.
func TestMatcher(t *testing.T) {
	for _, tc := range []struct {
		text, name string
		ignored    bool
		line       int // of the decisive rule; 0 if no rule matches
	}{
		{"", "a", false, 0},
		{"", ".", false, 0},
		{"a\n", ".", false, 0},
		{"**\n", "/", false, 0},
		{"a\n", "a", true, 1},
		{"/a/\n", "a/b/../c", true, 1},
		{"# a\n\n  a  \n", "a", true, 3},
		{"\ufeffa\n", "a", true, 1},
		{"x\n\ufeffa\n", "a", false, 0},
		{"a\r\nb\r\n", "b", true, 2},
		{"a\n!a/b\n", "a", true, 1},
		{"a\n!a/b\n", "a/b", false, 2},
		{"a\n!a/b\n", "a/c", true, 1},
		{"!a/b\na\n", "a", true, 2},
		{"*\n!a/*/c\n", "a/b", true, 1},
		{"*\n!a/*/c\n", "b", true, 1},
		{"a/b\n", "a", false, 0},
		{"a/b\n", "c", false, 0},
		{"a\n!a\n", "a", false, 2},
		{"**/x.go\n", "a", false, 0},
		{"! a\n*\n", "a", true, 2},
		{"*\n!!a\n", "!a", false, 2},
	} {
		m := parse(t, tc.text)
		ignored, rule := m.Ignores(tc.name)
		line := 0
		if rule != nil {
			line, _ = rule.Range.Lines()
		}
		if ignored != tc.ignored || line != tc.line {
			t.Errorf("%q of %q: ignored %t by line %d; want %t, %d", tc.name, tc.text, ignored, line, tc.ignored, tc.line)
		}
	}
}

// TestErrors checks the errors that Parse returns for invalid ignore files.
func TestErrors(t *testing.T) {
	var wild strings.Builder
	for i := range 2 * maxWildcards {
		fmt.Fprintf(&wild, "*%d\n", i/2)
	}
	if _, err := Parse(source.NewFile("f", []byte(wild.String()))); err != nil {
		t.Error(err)
	}
	for text, want := range map[string]string{
		wild.String() + "?":                ".dockerignore:20001: the ignore file has more than 10000 patterns with wildcards",
		strings.Repeat("a\n", maxLines):    ".dockerignore:1000001: the ignore file has more than 1000000 lines",
		"a\n*" + strings.Repeat("a", 5000): ".dockerignore:2: the ignore file has more than",
		"a\n!\n":                           `.dockerignore:2: illegal exclusion pattern: "!"`,
		"[\n":                              ".dockerignore:1: syntax error in pattern",
		strings.Repeat("a", 100_000):       ".dockerignore:1: ",
	} {
		if _, err := Parse(source.NewFile(".dockerignore", []byte(text))); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.20q: error %v, want %s", text, err, want)
		}
	}
}

// TestRules checks the pattern of each parsed rule, and whether the rule includes or
// excludes paths.
func TestRules(t *testing.T) {
	rules := parse(t, "\n/a/\n!b\n").rules
	if len(rules) != 2 || rules[0].Pattern != "a" || rules[0].Include || rules[1].Pattern != "b" || !rules[1].Include {
		t.Errorf("rules %+v", rules)
	}
}

// TestConcurrent calls Ignores concurrently, so that the race detector can check the
// pattern library, which compiles patterns on first use.
func TestConcurrent(t *testing.T) {
	m := parse(t, "*.go\n!a/**\n")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { m.Ignores("a/b.go") })
	}
	wg.Wait()
}

// FuzzIgnores checks that Ignores and BuildKit's library exclude the same paths.
func FuzzIgnores(f *testing.F) {
	for _, s := range [][3]string{
		{"a\n!a/b\n", "a", "b"},
		{"**/x\n!**/y/x", "y", "x"},
		{"\ufeff# c\n*\n!*.go\n", "a.go", "b/c"},
		{"[^a]b\n!!c\n\\*d\n", "x/b", "e"},
		{"a**b/c\n!ax\n", "ax/b", "c"},
		{"a/../ \na \n/\n", "a /x", "a"},
		{"x\n!/\n", "x", "a"},
		{".\n", "a", ".."},
	} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, text, dir, below string) {
		m, err := Parse(source.NewFile("f", []byte(text)))
		patterns, readErr := ignorefile.ReadAll(bytes.NewReader([]byte(text)))
		if readErr != nil {
			if err == nil {
				t.Fatalf("%q is accepted, but upstream rejects it: %v", text, readErr)
			}
			return
		}
		pm, newErr := patternmatcher.New(patterns)
		if newErr != nil && err == nil {
			t.Fatalf("%q is accepted, but upstream rejects it: %v", text, newErr)
		}
		if err != nil {
			return // upstream may never use the pattern
		}
		for _, name := range []string{cleanPath(dir), cleanPath(dir + "/" + below)} {
			if name == "." {
				continue // builders never match the root
			}
			want, err := pm.MatchesOrParentMatches(name)
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if got, _ := m.Ignores(name); got != want {
				t.Errorf("%q of %q: ignored %t, want %t", name, text, got, want)
			}
			if _, got := m.ExcludesSource(name); got != (want && !pm.Exclusions()) {
				t.Errorf("source %q of %q: excluded %t, want %t", name, text, got, want)
			}
		}
	})
}
