package differential

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	theirs "github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	grammar "github.com/moby/buildkit/frontend/dockerfile/parser"

	"slipway/diag"
	ours "slipway/instructions"
	"slipway/internal/golden"
	"slipway/parser"
	"slipway/source"
)

// typedFile is the result of parsing a Dockerfile, in a form common to both parsers.
type typedFile struct {
	Err    string
	Lines  []int // line numbers of the error
	Args   []instruction
	Stages []typedStage
}

type typedStage struct {
	From     instruction
	Commands []instruction
}

// instruction is a parsed instruction in a form common to both parsers. Its fields have the
// names from upstream's types.
type instruction struct {
	Kind   string
	Code   string
	Lines  []int
	Fields map[string]any
}

// TestInstructionsCorpus checks that our parser and upstream's return the same result or
// error for the Dockerfiles in testdata.
func TestInstructionsCorpus(t *testing.T) {
	golden.Run(t, func(t *testing.T, c *golden.Case) {
		if content := c.Dockerfile(); content != nil {
			compareTyped(t, content)
		}
	})
}

// TestInstructionsGenerated checks that our parser and upstream's return the same result or
// error for random Dockerfiles, most of which are nearly valid.
func TestInstructionsGenerated(t *testing.T) {
	discardStderr(t) // upstream's lexer reports invalid UTF-8 there

	files := 40_000
	if testing.Short() {
		files = 500
	}
	g := newLines(5)
	valid := 0
	for range files {
		content := g.dockerfile()
		if compareTyped(t, content) {
			valid++
		}
		if t.Failed() {
			t.Fatalf("in:\n%s", content)
		}
	}
	t.Logf("%d of %d files are valid", valid, files)
	if valid < files/5 || valid > files*4/5 {
		t.Errorf("%d of %d files are valid: too one-sided a sample", valid, files)
	}
}

// compareTyped checks that our parser and upstream's return the same instructions or the
// same error for the Dockerfile content. It reports whether the Dockerfile is valid.
func compareTyped(t *testing.T, content []byte) bool {
	t.Helper()
	got, want := typedByUs(content), typedByThem(content)
	// Upstream iterates over a map, so it suggests a random one of several equally near words.
	// Repeat until it suggests ours.
	for n := 0; n < 2000 && got.Err != want.Err && sameButHint(got.Err, want.Err); n++ {
		want = typedByThem(content)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("upstream (-) and we (+) differ:\n%s", d)
	}
	return got.Err == ""
}

var hint = regexp.MustCompile(` \(did you mean .*\?\)$`)

func sameButHint(a, b string) bool {
	return hint.ReplaceAllString(a, "") == hint.ReplaceAllString(b, "") && hint.MatchString(a) && hint.MatchString(b)
}

func typedByUs(content []byte) typedFile {
	f, diags := parser.Parse(source.NewFile("Dockerfile", content))
	if diags.Err() != nil {
		return typedFailure(diags, wrongLineErrors.MatchString(diags[0].Message))
	}
	d, diags := ours.Parse(f)
	if diags.Err() != nil {
		return typedFailure(diags, false)
	}
	var out typedFile
	for _, a := range d.Args {
		out.Args = append(out.Args, ourCommand(a))
	}
	for _, s := range d.Stages {
		st := typedStage{From: ourCommand(s.From)}
		st.From.Fields["Name"], st.From.Fields["Doc"] = s.Name, s.Doc
		for _, c := range s.Commands {
			st.Commands = append(st.Commands, ourCommand(c))
		}
		out.Stages = append(out.Stages, st)
	}
	return out
}

// wrongLineErrors matches the errors for which upstream reports a wrong line.
var wrongLineErrors = regexp.MustCompile(`^(only one .* parser directive can be used|invalid escape token|dockerfile line greater than max allowed size)`)

func typedFailure(list diag.List, unplaced bool) typedFile {
	f := typedFile{Err: list[0].Message}
	if !unplaced {
		f.Lines = lineNumbers(list[0].Shown())
	}
	return f
}

func lineNumbers(r source.Range) []int {
	var list []int
	for first, last := r.Lines(); 0 < first && first <= last; first++ {
		list = append(list, first)
	}
	return list
}

func ourCommand(c ours.Command) instruction {
	return instruction{
		Kind:   c.Syntax().Keyword.String(),
		Code:   ours.Code(c),
		Lines:  lineNumbers(c.Syntax().Rng),
		Fields: ourFields(c),
	}
}

func typedByThem(content []byte) typedFile {
	res, err := grammar.Parse(bytes.NewReader(content))
	if err != nil {
		return theirFailure(err, wrongLineErrors.MatchString(err.Error()))
	}
	stages, args, err := theirs.Parse(res.AST, linter.New(&linter.Config{}))
	if err != nil {
		return theirFailure(err, false)
	}
	var out typedFile
	for _, a := range args {
		out.Args = append(out.Args, theirCommand(&a))
	}
	for _, s := range stages {
		st := typedStage{From: instruction{
			Kind: s.OrigCmd, Code: s.SourceCode, Lines: theirLines(s.Location),
			Fields: map[string]any{"Name": s.Name, "Base": s.BaseName, "Platform": s.Platform, "Doc": s.DocComment},
		}}
		for _, c := range s.Commands {
			st.Commands = append(st.Commands, theirCommand(c))
		}
		out.Stages = append(out.Stages, st)
	}
	return out
}

func theirFailure(err error, unplaced bool) typedFile {
	f := typedFile{Err: err.Error()}
	var at *grammar.LocationError
	if errors.As(err, &at) && !unplaced {
		for _, l := range at.Locations {
			f.Lines = append(f.Lines, theirLines(l)...)
		}
	}
	return f
}

func theirLines(list []grammar.Range) []int {
	var lines []int
	for _, r := range list {
		lines = append(lines, max(r.Start.Line, 1)) // the only line of an empty file is line 1
	}
	return lines
}

func theirCommand(c theirs.Command) instruction {
	return instruction{
		Kind:   c.Name(),
		Code:   c.(fmt.Stringer).String(),
		Lines:  theirLines(c.Location()),
		Fields: theirFields(c),
	}
}

// flagsUsed returns the names of the flags in an instruction, such as "from" for COPY --from=x.
// The names are sorted and have no duplicates.
func flagsUsed(in *parser.Instruction) []string {
	used := map[string]bool{}
	for _, f := range in.Flags {
		used[f.Name] = true
	}
	return slices.Sorted(maps.Keys(used))
}
