package shell_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"slipway/shell"
)

// tableFile is a table of words and their expansions. The comment at the start of the
// file documents the format.
const tableFile = "testdata/expand.txt"

var (
	toChars   = strings.NewReplacer("·", " ", "⏎", "\n", "⇥", "\t", "⌫", "")
	toSymbols = strings.NewReplacer("\n", "⏎", "\t", "⇥")
)

// tableCase is a test case from a line of tableFile: a word, the values of variables, and the
// settings of the expander.
type tableCase struct {
	word, env string // the word and the variables, as written
	expander  shell.Expander
	fields    bool // whether the result is a list of fields
}

// TestTable expands each word in tableFile and compares the result with the file.
// UPDATE=1 rewrites the results.
func TestTable(t *testing.T) {
	data, err := os.ReadFile(tableFile)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	var x shell.Expander
	words := 0
	for i, line := range lines {
		if mode, ok := strings.CutPrefix(line, "@"); ok {
			if x, err = parseMode(mode); err != nil {
				t.Fatalf("line %d: %v", i+1, err)
			}
			continue
		}
		c, ok := parseCase(line, x)
		if !ok {
			continue
		}
		words++
		got := c.run()
		if got != line && os.Getenv("UPDATE") == "" {
			t.Errorf("%s:%d\n got %s\nwant %s", tableFile, i+1, got, line)
		}
		lines[i] = got
	}
	if words < 250 {
		t.Errorf("the table has %d words, want at least 250", words)
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(tableFile, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// parseMode parses the expander settings in the table, such as "KeepQuotes escape=`".
func parseMode(text string) (shell.Expander, error) {
	modes := map[string]shell.Mode{
		"KeepQuotes": shell.KeepQuotes, "KeepEscapes": shell.KeepEscapes,
		"KeepUnset": shell.KeepUnset, "NoQuotes": shell.NoQuotes,
	}
	var x shell.Expander
	for _, name := range strings.Fields(text) {
		mode, ok := modes[name]
		switch {
		case ok:
			x.Mode |= mode
		case name == "escape=`":
			x.Escape = '`'
		default:
			return x, fmt.Errorf("unknown mode %q", name)
		}
	}
	return x, nil
}

// parseCase parses a line of tableFile. ok is false if the line is not a case, for
// example a comment.
func parseCase(line string, x shell.Expander) (c tableCase, ok bool) {
	if strings.HasPrefix(line, "# ") {
		return c, false
	}
	word, rest, ok := strings.Cut(line, " | ")
	if !ok {
		return c, false
	}
	env, result := cutResult(rest)
	return tableCase{
		word: strings.TrimRight(word, " "), env: strings.TrimSpace(env),
		expander: x, fields: strings.Contains(result, "~"),
	}, true
}

// cutResult splits the right-hand side of a line, "A=1 B=2 => value" or "A=1 ! error",
// into variables and result.
func cutResult(rest string) (env, result string) {
	rest = " " + rest + " "
	for _, sep := range []string{" => ", " ! "} {
		if env, result, ok := strings.Cut(rest, sep); ok {
			return env, result
		}
	}
	return rest, ""
}

// run expands the word of the test case. It returns the line of tableFile for this case, with
// the actual result.
func (c tableCase) run() string {
	word := toChars.Replace(c.word)
	vars := shell.Map{}
	for _, kv := range strings.Fields(c.env) {
		k, v, _ := strings.Cut(kv, "=")
		vars[k] = toChars.Replace(v)
	}
	res, err := c.expander.Expand(word, vars)
	out := fmt.Sprintf("%-32s | %-20s => %s", c.word, c.env, symbols(res.Value))
	if e, ok := errors.AsType[*shell.Error](err); ok {
		out = fmt.Sprintf("%-32s | %-20s ! %d: %s", c.word, c.env, e.Offset, symbols(e.Msg))
	}
	if c.fields {
		fields, _ := c.expander.Fields(word, vars)
		out += " ~"
		for _, f := range fields {
			out += " [" + symbols(f.Text) + "]"
		}
	}
	return strings.TrimRight(out, " ")
}

// symbols replaces white space in s with visible symbols.
func symbols(s string) string {
	s = toSymbols.Replace(s)
	inner := strings.Trim(s, " ")
	if inner == "" {
		return strings.Repeat("·", len(s))
	}
	before, after, _ := strings.Cut(s, inner)
	inner = strings.ReplaceAll(inner, "  ", "··")
	return strings.Repeat("·", len(before)) + inner + strings.Repeat("·", len(after))
}
