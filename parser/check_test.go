package parser

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"slipway/diag"
	"slipway/source"
)

// check parses a file. It compares the syntax tree with the content of the file and with the
// result of BuildKit's parser. It returns the tree, or nil if the content is invalid.
func check(t testing.TB, content []byte) *File {
	t.Helper()
	original := bytes.Clone(content)
	want, err := parser.Parse(bytes.NewReader(content))
	f, diags := Parse(source.NewFile("Dockerfile", content))
	if !bytes.Equal(original, content) {
		t.Fatal("Parse changed the content")
	}
	if len(content) == 0 || err != nil || len(diags) > 0 {
		checkError(t, content, f, diags, err)
		return nil
	}
	if f.Escape != byte(want.EscapeToken) {
		t.Errorf("escape %q, want %q", f.Escape, want.EscapeToken)
	}
	checkTiles(t, f, content)
	list := f.Instructions()
	if len(list) != len(want.AST.Children) {
		t.Fatalf("%d instructions, want %d", len(list), len(want.AST.Children))
	}
	gaps := 0
	for i, in := range list {
		n := want.AST.Children[i]
		checkInstruction(t, f, in, n)
		if in.Rng != f.Source.LineRange(n.StartLine, n.EndLine) {
			t.Errorf("%q at %s, want lines %d to %d", in.Line, formatRange(in.Rng), n.StartLine, n.EndLine)
		}
		var doc []string
		for _, c := range in.Doc() {
			doc = append(doc, c.String())
			checkText(t, c)
		}
		if !slices.Equal(doc, n.PrevComment) {
			t.Errorf("comments %q, want %q", doc, n.PrevComment)
		}
		if len(in.Gaps) > 0 {
			w := want.Warnings[min(gaps, len(want.Warnings)-1)]
			if _, last := in.Head().Lines(); w.Location.Start.Line != last {
				t.Errorf("%q ends in line %d, want %d", in.Line, last, w.Location.Start.Line)
			}
			gaps++
		}
	}
	if gaps != len(want.Warnings) {
		t.Errorf("%d instructions with gaps, want %d", gaps, len(want.Warnings))
	}
	return f
}

// checkTiles checks that the nodes of f cover the file without gaps, and that Print reproduces
// the content of the file.
func checkTiles(t testing.TB, f *File, content []byte) {
	t.Helper()
	end := 0
	for i, n := range f.Nodes {
		r := n.Range()
		if r.Start != end || r.End <= r.Start || r.File != f.Source {
			t.Fatalf("%T at offsets %d-%d, want the start %d", n, r.Start, r.End, end)
		}
		end = r.End
		if r.End < len(content) && content[r.End-1] != '\n' {
			t.Errorf("%T at %s ends within a line", n, formatRange(r))
		}
		switch n := n.(type) {
		case *Blank:
			if i > 0 {
				if _, ok := f.Nodes[i-1].(*Blank); ok {
					t.Errorf("two blanks at %s", formatRange(r))
				}
			}
			if strings.TrimSpace(strings.TrimPrefix(r.String(), bom)) != "" {
				t.Errorf("%q is not blank", r)
			}
		case *Comment:
			if i > 0 {
				if _, ok := f.Nodes[i-1].(*Comment); ok {
					t.Errorf("two comments at %s", formatRange(r))
				}
			}
		case *Directive:
			checkText(t, n.Name)
			checkText(t, n.Value)
		case *Instruction:
			checkText(t, n.Line)
		}
	}
	if end != len(content) {
		t.Fatalf("the nodes end at %d of %d", end, len(content))
	}
	var b bytes.Buffer
	if err := Print(&b, f); err != nil || !bytes.Equal(b.Bytes(), content) {
		t.Fatalf("printed %q, %v; read %q", b.Bytes(), err, content)
	}
}

// checkError checks that the diagnostic of invalid content has the message and the lines
// of BuildKit's error err.
func checkError(t testing.TB, content []byte, f *File, diags diag.List, err error) {
	t.Helper()
	if f != nil || len(diags) != 1 || diags[0].Severity != diag.Error {
		t.Fatalf("file %v, diagnostics %v, want %v", f != nil, diags, err)
	}
	d := diags[0]
	switch {
	case strings.HasPrefix(d.Message, "variables nested"):
		return
	case err == nil || d.Message != err.Error():
		t.Fatalf("error %q, want %v", d, err)
	}
	r, c := d.Range, d.Context
	if r.File == nil || r.File != c.File || c.Start > r.Start || r.Start > r.End || r.End > c.End || c.End > len(content) {
		t.Fatalf("%q: range %d-%d, context %d-%d of %d", d, r.Start, r.End, c.Start, c.End, len(content))
	}
	var le *parser.LocationError
	if !errors.As(err, &le) {
		t.Fatalf("no location of %v", err)
	}
	lines := le.Locations[0]
	first, last := lines[0].Start.Line, lines[len(lines)-1].End.Line
	switch {
	case d.Message == msgNoInstructions:
		return
	case strings.HasPrefix(d.Message, msgLineTooLong):
		if r.Start-c.Start != maxLine || r.Start == r.End {
			t.Errorf("%q at %s", d, formatRange(r))
		}
		return
	case strings.Contains(d.Message, "parser directive"), strings.HasPrefix(d.Message, "invalid escape token"):
		first, last = first+1, last+1 // Upstream: the error has the line before the directive
	}
	if a, b := c.Lines(); a != first || b != last {
		t.Errorf("%q in lines %d to %d, want %d to %d", d, a, b, first, last)
	}
}

// checkInstruction compares an instruction with BuildKit's node n.
func checkInstruction(t testing.TB, f *File, in *Instruction, n *parser.Node) {
	t.Helper()
	if in.Line.String() != n.Original {
		t.Errorf("logical line %q, want %q", in.Line, n.Original)
	}
	if in.Keyword.String() != n.Value {
		t.Errorf("keyword %q, want %q", in.Keyword, n.Value)
	}
	checkText(t, in.Keyword)
	checkText(t, in.Rest)
	checkFlags(t, f, in, n.Flags)
	checkHeredocs(t, in, n.Heredocs)
	form := formOf(n.Value)
	sub, ok := in.Args.(*Sub)
	if form == formSub && n.Next != nil {
		if !ok || sub.Instruction.Rng != in.Rng || len(sub.Instruction.Heredocs) != len(in.Heredocs) {
			t.Fatalf("no instruction in %q", in.Line)
		}
		child := n.Next.Children[0]
		child.Heredocs = n.Heredocs
		checkInstruction(t, f, sub.Instruction, child)
		return
	}
	if diff := cmp.Diff(wantValues(n, form), gotValues(in.Args)); diff != "" {
		t.Errorf("%q (-want +got):\n%s", in.Line, diff)
	}
	if _, ok := in.Args.(*JSON); ok != (n.Attributes["json"] && form != formTyped) {
		t.Errorf("%q is %T", in.Line, in.Args)
	}
	end := 0
	for role, w := range in.Words() {
		checkText(t, w.Text)
		checkWord(t, f, role, w)
		if role == RoleHeredoc {
			continue
		}
		r := w.Text.Range()
		if r.Start < end || r.Start < in.Rng.Start || r.End > in.Rng.End {
			t.Errorf("%s %q at %s starts before %d", role, w.Text, formatRange(r), end)
		}
		end = r.End
	}
}

// wantValues returns the arguments in a node of BuildKit's tree as a list of words.
func wantValues(n *parser.Node, form form) []string {
	if form == formNone {
		return nil
	}
	var list []string
	for c := n.Next; c != nil; c = c.Next {
		list = append(list, c.Value)
	}
	return list
}

// gotValues returns the words of the arguments a in the same format as wantValues.
func gotValues(a Args) []string {
	if p, ok := a.(*Pairs); ok {
		var list []string
		for _, p2 := range p.Pairs {
			sep := "="
			if p.Legacy {
				sep = ""
			}
			list = append(list, p2.Key.Value, p2.Value.Value, sep)
		}
		return list
	}
	var list []string
	walkArgs(a, func(_ Role, w Word) bool {
		list = append(list, w.Value)
		return true
	})
	return list
}

// checkWord checks that the value of a word equals its text after unquoting.
func checkWord(t testing.TB, f *File, role Role, w Word) {
	t.Helper()
	text := w.Text.String()
	got := text
	switch role {
	case RoleFlag:
		got = unquoteFlag(text, f.Escape)
	case RoleElement:
		got = ""
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Errorf("JSON element %q: %v", text, err)
		}
	case RoleHeredoc:
		if strings.Contains(text, "${") {
			return
		}
		h, _ := ParseHeredoc(text)
		got = h.Name
	case RoleString, RoleType:
	default:
		if w.Value != text {
			got = validUTF8(text)
			if w.Value != got {
				got = strings.TrimSuffix(got, string(f.Escape))
			}
		}
	}
	if got != w.Value {
		t.Errorf("%s %q has the text %q", role, w.Value, text)
	}
}

// validUTF8 replaces each invalid byte in s with U+FFFD.
func validUTF8(s string) string {
	var b strings.Builder
	for _, r := range s {
		b.WriteRune(r)
	}
	return b.String()
}

// unquoteFlag removes quotes and escapes from a flag. Like BuildKit, it treats each byte
// as a character.
func unquoteFlag(s string, escape byte) string {
	var b strings.Builder
	var quote byte
	for i := 0; i < len(s); i++ {
		switch {
		case quote == 0 && (s[i] == '"' || s[i] == '\''):
			quote = s[i]
			continue
		case quote != 0 && s[i] == quote:
			quote = 0
			continue
		case s[i] == escape:
			if i++; i == len(s) {
				return b.String()
			}
		}
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

// checkFlags compares the flags of an instruction with the flags from BuildKit's parser.
func checkFlags(t testing.TB, f *File, in *Instruction, want []string) {
	t.Helper()
	if len(in.Flags) != len(want) {
		t.Fatalf("%d flags, want %q", len(in.Flags), want)
	}
	for i, fl := range in.Flags {
		if fl.Raw != want[i] {
			t.Errorf("flag %q, want %q", fl.Raw, want[i])
		}
		name, value, ok := strings.Cut(fl.Raw, "=")
		if fl.HasValue != ok || "--"+fl.Name != name || fl.Value != value {
			t.Errorf("flag %q has name %q, value %q", fl.Raw, fl.Name, fl.Value)
		}
		all, at, val := fl.Text.Range(), fl.NameRange, fl.ValueRange
		if at.Start != all.Start || val.End != all.End || at.End > val.Start {
			t.Errorf("flag at %s, name at %s, value at %s", formatRange(all), formatRange(at), formatRange(val))
		}
		if !ok {
			continue
		}
		if s := fl.Text.String(); !strings.Contains(s, "\n") && all.String() == s {
			if got := unquoteFlag(s[:at.End-at.Start], f.Escape); got != name {
				t.Errorf("name %q is at %q", name, got)
			}
			if eq := s[at.End-at.Start]; eq != '=' {
				t.Errorf("%q between name and value of %q", eq, s)
			}
		}
	}
}

// checkHeredocs compares the heredocs of an instruction with the heredocs from BuildKit's
// parser, and checks their ranges.
func checkHeredocs(t testing.TB, in *Instruction, want []parser.Heredoc) {
	t.Helper()
	if len(in.Heredocs) != len(want) {
		t.Fatalf("%d heredocs, want %d", len(in.Heredocs), len(want))
	}
	end := in.Head().End
	for i, h := range in.Heredocs {
		w := want[i]
		got := parser.Heredoc{Name: h.Name, FileDescriptor: h.FD, Expand: h.Expand, Chomp: h.Chomp, Content: h.Content()}
		if got != w {
			t.Errorf("heredoc %+v, want %+v", got, w)
		}
		if h.Body.Start != end || h.End.Start != h.Body.End || !h.endsAt([]byte(h.End.String())) {
			t.Errorf("heredoc %q at %s, end %s, starts before %d", h.Name, formatRange(h.Body), formatRange(h.End), end)
		}
		end = h.End.End
		if !strings.Contains(h.Word.String(), "<<") {
			t.Errorf("heredoc %q has the text %q", h.Name, h.Word)
		}
	}
	if end != in.Rng.End {
		t.Errorf("heredocs of %q end at %d, want %d", in.Line, end, in.Rng.End)
	}
}

// checkText checks the offsets of the bytes in the text x: they must be ascending, and the file
// must contain each byte at its offset.
func checkText(t testing.TB, x source.Text) {
	t.Helper()
	if x.File() == nil {
		t.Fatalf("%q has no file", x)
	}
	last := -1
	for i := range x.Len() {
		at := x.Offset(i)
		if at <= last || x.File().Bytes[at] != x.String()[i] {
			t.Fatalf("byte %d of %q differs from the file at offset %d", i, x, at)
		}
		last = at
	}
	if r := x.Range(); x.Len() > 0 && utf8.RuneStart(x.String()[0]) && r.Start != x.Offset(0) {
		t.Errorf("%q starts at %d", x, r.Start)
	}
}
