package parser

import (
	"strings"
	"testing"

	"slipway/internal/memtest"
	"slipway/internal/slowtest"
	"slipway/source"
)

// maxFile is the maximum size of a Dockerfile that the frontend accepts.
const maxFile = 16 << 20

// foldLine splits a line that exceeds maxLine into several physical lines, joined by
// continuation characters.
func foldLine(s string) string {
	var b strings.Builder
	for len(s) > 60_000 {
		b.WriteString(s[:60_000] + "\\\n")
		s = s[60_000:]
	}
	return b.String() + s + "\n"
}

// TestCheckNesting checks that Parse rejects a line with a heredoc if ${…} is nested too deeply
// in the line.
func TestCheckNesting(t *testing.T) {
	nest := func(n int) string { return strings.Repeat("${a:-", n) + strings.Repeat("}", n) }
	for _, tc := range []struct {
		name, text string
		at         string // location of the error, or ""
	}{
		{"maximum depth", "RUN <<E " + nest(maxBraces) + "\nE\n", ""},
		{"too deep", "FROM x\nRUN <<E " + nest(maxBraces+1) + "\nE\n", "2:509"},
		{"folded", "FROM x\nRUN <<E \\\n" + strings.ReplaceAll(nest(maxBraces+1), "a:", "a\\\n:"), "103:3"},
		{"onbuild", "ONBUILD RUN <<E \"" + nest(maxBraces+1) + "\"\nE\n", "1:518"},
		{"escape", "# escape=`\nRUN `\n" + nest(maxBraces+1) + " <<E\nE\n", "3:501"},
		{"no heredoc", "FROM x\nRUN " + nest(1000) + "\nRUN <<E\nE\n", ""},
		{"in sequence", "FROM x\nRUN <<E " + strings.Repeat("${a} ", 1000) + "\nE\n", ""},
		{"single quotes", "FROM x\nRUN <<E '" + strings.Repeat("${a:-", 1000) + "'\nE\n", ""},
		{"escaped", "FROM x\nRUN <<E " + strings.Repeat("\\${a:-", 1000) + "\nE\n", ""},
		{"on many lines", "FROM x\n" + strings.Repeat("RUN <<E ${a:-b}\nE\n", 1000), ""},
	} {
		_, diags := Parse(source.NewFile("f", []byte(tc.text)))
		if tc.at == "" {
			if len(diags) > 0 {
				t.Errorf("%s: %v", tc.name, diags)
			}
			continue
		}
		if len(diags) != 1 || diags[0].Message != "variables nested more than 100 deep" {
			t.Errorf("%s: %v", tc.name, diags)
			continue
		}
		d := diags[0]
		if at, _, _ := strings.Cut(formatRange(d.Range), "-"); at != tc.at || d.Range.String() != "${" {
			t.Errorf("%s: at %s, want %s", tc.name, at, tc.at)
		}
	}
}

// TestOnbuildChain checks that the parser follows a long chain of ONBUILDs only up to
// maxDepth.
func TestOnbuildChain(t *testing.T) {
	f, diags := Parse(source.NewFile("f", []byte(foldLine(strings.Repeat("ONBUILD ", 20_000)+"RUN x"))))
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	depth := 0
	in := f.Instructions()[0]
	for sub, ok := in.Args.(*Sub); ok; sub, ok = in.Args.(*Sub) {
		in = sub.Instruction
		depth++
	}
	if depth != maxDepth || in.Keyword.String() != "ONBUILD" || in.Rest.Len() == 0 {
		t.Errorf("depth %d, then %q, want depth %d, then ONBUILD", depth, in.Keyword, maxDepth)
	}
}

// bigFiles lists kinds of files that the parser must parse in linear time, such as files with
// many comments. The field make is a function that returns a file of about n bytes.
var bigFiles = []struct {
	name string
	make func(n int) string
}{
	{"lines", func(n int) string { return fill(n, "", "RUN echo hello world && make install foo bar baz\n", "") }},
	{"short", func(n int) string { return fill(n, "", "RUN a\n", "") }},
	{"comments", func(n int) string { return fill(n, "FROM a\n", "# a comment\n", "RUN a\n") }},
	{"blanks", func(n int) string { return fill(n, "FROM a\n", "\n", "RUN a\n") }},
	{"continued", func(n int) string { return fill(n, "RUN a", " and so on \\\n", "") }},
	{"gaps", func(n int) string { return fill(n, "RUN a \\\n", "\n", "") }},
	{"words", func(n int) string { return foldLine(fill(n, "COPY", " abc", "")) }},
	{"pairs", func(n int) string { return foldLine(fill(n, "ENV", " a=\"b\"", "")) }},
	{"flags", func(n int) string { return foldLine(fill(n, "RUN", " --a=b", "")) }},
	{"json", func(n int) string { return foldLine(fill(n, "CMD [\"a\"", ",\"a\"", "]")) }},
	{"heredoc", func(n int) string { return fill(n, "RUN <<E\n", "body\n", "E\n") }},
	{"heredocs", func(n int) string { return fill(n, "", "RUN <<E\nE\n", "") }},
	{"unterminated", func(n int) string { return fill(n, "RUN <<E\n", "body of it\n", "") }},
	{"onbuild", func(n int) string { return fill(n, "", "ONBUILD RUN a\n", "") }},
	{"braces", func(n int) string { return foldLine(fill(n, "RUN <<E ", "${a} ", "")) + "E\n" }},
}

// fill returns a text of about n bytes that consists of start, repetitions of part, and end.
func fill(n int, start, part, end string) string {
	return start + strings.Repeat(part, (n-len(start)-len(end))/len(part)) + end
}

// TestBig checks that the memory that Parse allocates grows linearly with the size of the file.
// It parses two files of each kind in bigFiles, the second four times as large as the first.
func TestBig(t *testing.T) {
	slowtest.Skip(t, "parses large files")
	for _, tc := range bigFiles {
		t.Run(tc.name, func(t *testing.T) {
			const n = 16 << 10
			small, large := tc.make(n), tc.make(4*n)
			f, diags := Parse(source.NewFile("f", []byte(small)))
			if (f == nil) != (tc.name == "unterminated") {
				t.Fatal(diags)
			}
			a := allocated(small, 0)
			// Matching a regular expression takes 37 KB from a pool, which may be empty.
			// A few of these are more than what Parse needs for a file of comments.
			most := 6*a + 1<<20
			if b := allocated(large, most); b > most {
				t.Errorf("Parse allocates %d bytes for %d, and %d for %d, want at most %d", a, len(small), b, len(large), most)
			}
		})
	}
}

// allocated returns the number of bytes that Parse allocates for text. The number is the
// smallest of several measurements. They end early if Parse allocates no more bytes than the
// limit, the parameter enough.
func allocated(text string, enough uint64) uint64 {
	f := source.NewFile("f", []byte(text))
	return memtest.Allocated(func() { Parse(f) }, enough)
}

// TestLongLine checks that the parser accepts lines of the maximum length.
func TestLongLine(t *testing.T) {
	for _, text := range []string{"RUN ", "COPY ", "ENV a=b ", "CMD [\"", "RUN <<E "} {
		content := text + strings.Repeat("x", maxLine-len(text))
		f := check(t, []byte(content))
		if (f == nil) != (text[0] == 'E' || strings.Contains(text, "<<")) {
			t.Errorf("%q: %v", text, f)
		}
	}
}

// BenchmarkParse parses a file of the maximum size for each kind in bigFiles.
func BenchmarkParse(b *testing.B) {
	for _, tc := range bigFiles {
		b.Run(tc.name, func(b *testing.B) {
			content := []byte(tc.make(maxFile))
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				Parse(source.NewFile("f", content))
			}
		})
	}
}
