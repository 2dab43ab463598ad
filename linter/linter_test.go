package linter

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"slipway/diag"
	"slipway/instructions"
	"slipway/parser"
	"slipway/source"
)

// nameSet returns the set of the given names.
func nameSet(names ...string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}

// TestParseConfig checks that ParseConfig returns the expected configuration or error
// for each text.
func TestParseConfig(t *testing.T) {
	for _, tc := range []struct {
		text string
		want Config
		err  string
	}{
		{text: ""},
		{text: " skip = A , B ; error = T ", want: Config{Skip: nameSet("A", "B"), Error: true}},
		{text: "skip=all;experimental=all", want: Config{SkipAll: true, ExperimentalAll: true}},
		{text: "skip=all;skip=A", want: Config{SkipAll: true, Skip: nameSet("A")}},
		{text: "experimental=A;error=0;skip=B;error=1", want: Config{Experimental: nameSet("A"), Skip: nameSet("B;error=1")}},
		{text: "skip", err: `invalid check option "skip"`},
		{text: "a=b", err: `invalid check option "a"`},
		{text: "error=x", err: `failed to parse check option "error=x": strconv.ParseBool: parsing "x": invalid syntax`},
	} {
		got, err := ParseConfig(tc.text)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if d := cmp.Diff(tc.want, got); d != "" || text != tc.err {
			t.Errorf("%q: error %q, want %q; configuration (-want +got):\n%s", tc.text, text, tc.err, d)
		}
	}
}

// TestConfigError checks errors about invalid configurations: their hints, and the parts
// of the text at which they point.
func TestConfigError(t *testing.T) {
	const options = "want skip=NAMES, experimental=NAMES or error=BOOL, separated by ;"
	for _, tc := range []struct{ text, part, hint string }{
		{"foo", "foo", options},
		{" skip=A; foo ", " foo", options},
		{"skip=A;skpi=B;error=1", "skpi", "did you mean skip=?"},
		{"error=1; erorr = 1", " erorr ", "did you mean error=?"},
		{"skip", "skip", "a value follows skip="},
		{"all", "all", "did you mean skip=all?"},
		{"skip=A;error=maybe", "maybe", "error takes true or false"},
		{"error=", "", "error takes true or false"},
	} {
		_, err := ParseConfig(tc.text)
		var bad *ConfigError
		if !errors.As(err, &bad) {
			t.Errorf("%q: error %v", tc.text, err)
			continue
		}
		if part := tc.text[bad.Start:bad.End]; part != tc.part || bad.Hint != tc.hint {
			t.Errorf("%q: marked %q, hint %q, want %q, %q", tc.text, part, bad.Hint, tc.part, tc.hint)
		}
	}
}

// TestMerge checks that Merge returns a configuration with the rules of both operands,
// and does not modify the operands.
func TestMerge(t *testing.T) {
	a := Config{Skip: nameSet("A"), Error: true}
	got := a.Merge(Config{Skip: nameSet("B"), ExperimentalAll: true})
	want := Config{Skip: nameSet("A", "B"), ExperimentalAll: true, Error: true}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if len(a.Skip) != 1 {
		t.Error("merging changed the configuration of the file")
	}
}

// TestViolation checks that Violation returns an error only if the configuration makes
// warnings fail the build.
func TestViolation(t *testing.T) {
	list := diag.List{{Code: "B"}, {Code: "A"}, {Code: "B"}}
	if err := (Config{Error: true}).Violation(list); err == nil || err.Error() != "lint violation found for rules: B, A" {
		t.Error(err)
	}
	if (Config{}).Violation(list) != nil || (Config{Error: true}).Violation(nil) != nil {
		t.Error("Violation returned an error although Error is false or there are no warnings")
	}
}

// TestRunStops checks that Run does not check any instruction after the first invalid
// instruction.
func TestRunStops(t *testing.T) {
	f, diags := parser.Parse(source.NewFile("Dockerfile", []byte("FROM a\nRUN b\nNOPE\nRUN c\n")))
	if diags.Err() != nil {
		t.Fatal(diags)
	}
	_, diags = instructions.Parse(f)
	each := &Rule{Name: "Each", Checks: Checks{
		Instruction: func(p *Pass, in *parser.Instruction) { p.Report(in.Keyword.Range(), "%s", in.Keyword) },
		Stage:       func(*Pass, *instructions.Stage) { t.Error("Stage called for a file with an error") },
	}}
	var got []string
	for _, d := range Run([]*Rule{each}, Input{File: f, FirstError: diags[0].Shown()}, Config{}) {
		got = append(got, d.Message)
	}
	if s := strings.Join(got, " "); s != "FROM RUN NOPE" {
		t.Errorf("checked %s", s)
	}
}

// TestValidate checks the errors that Validate returns for incomplete rules.
func TestValidate(t *testing.T) {
	good := &Rule{Name: "A", Description: "a", Checks: Checks{File: func(*Pass, *parser.File) {}}}
	docs, fixtures := fstest.MapFS{"A.md": {}}, fstest.MapFS{"A.txtar": {}}
	if err := Validate([]*Rule{good}, docs, fixtures); err != nil {
		t.Error(err)
	}
	for want, rules := range map[string][]*Rule{
		"A is defined twice":         {good, good},
		"B has no callback":          {good, {Name: "B", Description: "b"}},
		"has no name":                {good, {}},
		"B has no B.md":              {good, {Name: "B", Description: "b", Checks: good.Checks}},
		"A.txtar belongs to no rule": {},
	} {
		if err := Validate(rules, docs, fixtures); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want …%s…", err, want)
		}
	}
}
