package format_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/tools/txtar"

	"slipway/diag"
	"slipway/format"
	"slipway/format/samebuild"
	"slipway/format/settings"
	"slipway/internal/golden"
	"slipway/parser"
	"slipway/source"
)

// parse parses a Dockerfile. It returns nil if the file is invalid.
func parse(text string) *parser.File {
	f, _ := parser.Parse(source.NewFile("Dockerfile", []byte(text)))
	return f
}

// layOut returns the layout of a Dockerfile. It checks that the layout builds the same and is
// stable, and that the edits are in order.
func layOut(t *testing.T, text string, opt format.Options) string {
	t.Helper()
	f := parse(text)
	if f == nil {
		t.Fatalf("invalid Dockerfile %q", text)
	}
	edits, err := format.Format(f, opt)
	if err != nil {
		t.Errorf("%q: %v", text, err)
	}
	at := 0
	for _, e := range edits {
		if e.Range.Start < at || e.Range.End < e.Range.Start {
			t.Fatalf("%q: edit at %d-%d after %d", text, e.Range.Start, e.Range.End, at)
		}
		if e.New == e.Range.String() {
			t.Errorf("%q: edit at %d changes nothing", text, e.Range.Start)
		}
		at = e.Range.End
	}
	out := string(diag.Apply(f.Source, edits))
	after := parse(out)
	if after == nil {
		t.Fatalf("%q: invalid layout %q", text, out)
	}
	if again, err := format.Format(after, opt); err != nil || len(again) > 0 {
		t.Errorf("%q: layout %q changes again: %v, %v", text, out, again, err)
	}
	if len(edits) > 0 && !opt.Shell {
		if err := samebuild.Compare(t.Context(), f, after); err != nil {
			t.Errorf("%q: layout %q: %v", text, out, err)
		}
	}
	return out
}

// caseOptions parses the options of a case, such as "indent=2".
func caseOptions(t *testing.T, comment string) format.Options {
	t.Helper()
	opt := format.Default()
	_, list, _ := strings.Cut(comment, "options: ")
	for _, field := range strings.Fields(list) {
		k, v, _ := strings.Cut(field, "=")
		var err error
		switch k {
		case "indent":
			opt.Indent, err = settings.ParseIndent(v)
		case "keyword-case":
			opt.Keywords, err = settings.ParseKeywordCase(v)
		case "max-blank-lines":
			opt.MaxBlankLines, err = settings.ParseMaxBlankLines(v)
		case "shell":
			opt.Shell = true
		case "shell-files":
			opt.ShellFiles = true
		case "binary-next-line":
			lead := v == "true"
			opt.Script.BinaryNextLine = &lead
		case "space-redirects":
			space := v == "true"
			opt.Script.SpaceRedirects = &space
		case "switch-case-indent":
			opt.Script.SwitchCaseIndent = v == "true"
		default:
			t.Fatalf("unknown option %q", field)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return opt
}

// TestCases lays out the file "in" of each archive in testdata and compares the result with the
// file "out". Without this file, the layout must not change anything. Each case is also tried with
// CRLF line ends.
func TestCases(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			a := txtar.Parse(data)
			opt := caseOptions(t, string(a.Comment))
			in, want := string(a.Files[0].Data), string(a.Files[len(a.Files)-1].Data)
			if len(a.Files) == 2 && in == want {
				t.Error("the files are equal (leave out the file out)")
			}
			if got := layOut(t, in, opt); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			if got := layOut(t, want, opt); got != want {
				t.Errorf("the layout changes again:\n%s", got)
			}
			if strings.Contains(in, "<<") {
				return // line ends of heredocs are part of the build
			}
			windows := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
			if got := layOut(t, windows(in), opt); got != windows(want) {
				t.Errorf("with CRLF: got:\n%q\nwant:\n%q", got, windows(want))
			}
		})
	}
}

// TestEnds checks line ends, the end of the file and the byte order mark.
func TestEnds(t *testing.T) {
	const mark = "\xEF\xBB\xBF"
	crlf, none, remove, add := format.Default(), format.Default(), format.Default(), format.Default()
	crlf.LineEnd = "\r\n"
	none.NoFinalLineEnd = true
	remove.Mark, add.Mark = format.RemoveMark, format.AddMark
	for _, tc := range []struct {
		opt      format.Options
		in, want string
	}{
		{format.Default(), "FROM a", "FROM a\n"},
		{format.Default(), "FROM a\n\n \n", "FROM a\n"},
		{format.Default(), "FROM a\n  ", "FROM a\n"},
		{format.Default(), "FROM a \\", "FROM a \\\n"},
		{format.Default(), "FROM a\n# b  ", "FROM a\n# b\n"},
		{format.Default(), "FROM a\nRUN <<E\nx\nE", "FROM a\nRUN <<E\nx\nE\n"},
		{format.Default(), "FROM a\r\nRUN b\r\nUSER c\n", "FROM a\r\nRUN b\r\nUSER c\r\n"},
		{format.Default(), "FROM a\r\nRUN b\nUSER c\n", "FROM a\nRUN b\nUSER c\n"},
		{format.Default(), "FROM a\r\r\nRUN b\n", "FROM a\nRUN b\n"},
		{format.Default(), "FROM a\nCOPY <<E /b\r\n1\r\n2\r\n3\r\nE\r\nUSER c\n", "FROM a\nCOPY <<E /b\n1\r\n2\r\n3\r\nE\r\nUSER c\n"},
		{crlf, "FROM a\nCOPY <<E /b\n1\nE\nUSER c", "FROM a\r\nCOPY <<E /b\r\n1\nE\nUSER c\r\n"},
		{none, "FROM a\n\n", "FROM a"},
		{none, "FROM  a  \r\n", "FROM a"},
		{none, "FROM a\nRUN <<E\nE\n", "FROM a\nRUN <<E\nE"},
		{none, "FROM a\n# c \n", "FROM a\n# c"},
		{none, "FROM a", "FROM a"},
		{format.Default(), mark + "FROM  a\n", mark + "FROM a\n"},
		{format.Default(), mark + "\n  # b\nFROM a\n", mark + "# b\nFROM a\n"},
		{remove, mark + "from a\n", "FROM a\n"},
		{remove, mark + mark + "FROM a\n", mark + mark + "FROM a\n"},
		{add, "from a\n", mark + "FROM a\n"},
		{add, mark + "#escape=`\nFROM a\n", mark + "# escape=`\nFROM a\n"},
	} {
		if got := layOut(t, tc.in, tc.opt); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.in, got, tc.want)
		}
	}
}

// TestKeep checks that instructions can be kept as they are.
func TestKeep(t *testing.T) {
	opt := format.Default()
	opt.Keep = func(index int) bool { return index == 1 }
	f := parse("from a\nuser b\nrun c\n")
	edits, err := format.Format(f, opt)
	if got := string(diag.Apply(f.Source, edits)); err != nil || got != "FROM a\nuser b\nRUN c\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestCorpus lays out the Dockerfiles of all cases. No text may be lost.
func TestCorpus(t *testing.T) {
	formatted, unchanged, refused := 0, 0, 0
	for i, c := range golden.Cases(t) {
		if testing.Short() && i%5 != 0 {
			continue
		}
		text := string(c.Dockerfile())
		if parse(text) == nil {
			refused++
			continue
		}
		out := layOut(t, text, format.Default())
		if out == text {
			unchanged++
		} else {
			formatted++
		}
		if got, want := squeeze(out), squeeze(text); got != want {
			t.Errorf("%s: text is lost:\n%s\nwant:\n%s", c.Name, got, want)
		}
	}
	t.Logf("formatted %d, unchanged %d, refused %d", formatted, unchanged, refused)
}

// squeeze returns the text in lower case without white space and escape characters.
func squeeze(text string) string {
	text = strings.ToLower(strings.TrimPrefix(text, "\xEF\xBB\xBF"))
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == '\\' || r == '`' }), "")
}

// FuzzFormat checks that the layout of any file that parses is stable, keeps the meaning of each
// instruction, and builds the same, with several options.
func FuzzFormat(f *testing.F) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		f.Fatalf("no cases: %v", err)
	}
	for i, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(txtar.Parse(data).Files[0].Data, uint8(i))
	}
	f.Fuzz(func(t *testing.T, content []byte, variant uint8) {
		if len(content) > 1<<16 || parse(string(content)) == nil {
			return
		}
		layOut(t, string(bytes.Clone(content)), variantOptions(variant))
	})
}

// variantOptions returns the options that the bits of variant select.
func variantOptions(variant uint8) format.Options {
	opt := format.Default()
	opt.Keywords = format.KeywordCase(variant % 3)
	opt.Mark = format.Mark(variant / 3 % 3)
	opt.NoFinalLineEnd = variant&16 != 0
	opt.MaxBlankLines = int(variant >> 5 & 1)
	if variant&64 != 0 {
		opt.Indent = "\t"
	}
	if variant&128 != 0 {
		opt.LineEnd = "\r\n"
	}
	opt.Shell, opt.ShellFiles = variant&8 != 0, variant&8 != 0
	return opt
}
