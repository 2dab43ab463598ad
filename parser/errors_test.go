package parser

import (
	"bytes"
	"strings"
	"testing"

	"slipway/diag"
	"slipway/source"
)

// errorText returns the errors of a Dockerfile as a user sees them.
func errorText(t testing.TB, content []byte) string {
	t.Helper()
	_, diags := Parse(source.NewFile("Dockerfile", content))
	var b bytes.Buffer
	if err := diag.Text(&b, diags, diag.TextOptions{Width: 60}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestErrors checks the messages of syntax errors, and the source texts and lines at
// which they point.
func TestErrors(t *testing.T) {
	long := strings.Repeat("x", maxLine+3)
	for _, tc := range []struct {
		text, message, at string
		first, last       int // lines reported to clients
	}{
		{"", msgNoInstructions, "", 1, 1},
		{"# x\n\n", msgNoInstructions, "", 2, 2},
		{"# x", msgNoInstructions, "", 1, 1},
		{long, msgNoInstructions, "xxx", 1, 1},
		{"FROM x\n" + long + "\n", msgLineTooLong + "65535", "xxx\n", 2, 2},
		{"FROM x\nRUN \\\n a \\\n" + long + "\nRUN b\n", msgLineTooLong + "65535", "xxx\n", 4, 4},
		{"# escape=a b\nFROM x\n", "invalid escape token 'a b' does not match ` or \\", "a b", 1, 1},
		{"# escape=`\n  # Escape = ` \nFROM x\n", "only one escape parser directive can be used", "# Escape = `", 2, 2},
		{"FROM x\nENV a=b \\\n c \\\n d=e\n", `Syntax error - can't find = in "c". Must be of the form: name=value`, "c", 2, 4},
		{"ENV c=d \"b c\"\n", `Syntax error - can't find = in "\"b c\"". Must be of the form: name=value`, `"b c"`, 1, 1},
		{"ONBUILD LABEL a=b c\n", `Syntax error - can't find = in "c". Must be of the form: name=value`, "c", 1, 1},
		{"FROM x\nENV  a \n", "ENV must have two arguments", "a", 2, 2},
		{"FROM x\nRUN cat <<EOF\nbody\n\n\n", msgUnterminated, "<<EOF", 2, 5},
		{"RUN <<A 4<<-'B' <<C\nA\nx\nC\n", msgUnterminated, "4<<-'B'", 1, 4},
		{"ONBUILD COPY <<A \\\n <<B /\nA\nA\n", msgUnterminated, "<<B", 1, 4},
		{"RUN <<E", msgUnterminated, "<<E", 1, 1},
		{"FROM x\nCMD [\"a\", 1]\n", msgNotStrings, "1", 2, 2},
		{"COPY --x [\"a,]\\\"\", [1, \"]\"] , 2]\n", msgNotStrings, "[1, \"]\"]", 1, 1},
		{"HEALTHCHECK CMD [{\"a\":1}]\n", msgNotStrings, "{\"a\":1}", 1, 1},
		{"ONBUILD VOLUME [\n", "", "", 0, 0},
		{"ONBUILD VOLUME [\\\n null ]\n", msgNotStrings, "null", 1, 2},
		{"RUN a <<\\'\\\"E${\n", "", "", 0, 0},
	} {
		_, diags := Parse(source.NewFile("Dockerfile", []byte(tc.text)))
		if tc.message == "" {
			if len(diags) != 0 {
				t.Errorf("%.60q: %v", tc.text, diags)
			}
			continue
		}
		if len(diags) != 1 {
			t.Errorf("%.60q: %v", tc.text, diags)
			continue
		}
		d := diags[0]
		first, last := d.Shown().Lines()
		if d.Message != tc.message || d.Range.String() != tc.at || first != tc.first || last != tc.last {
			t.Errorf("%.60q: %q at %q, lines %d-%d; want %q at %q, lines %d-%d",
				tc.text, d, d.Range, first, last, tc.message, tc.at, tc.first, tc.last)
		}
	}
}

// TestDuplicateDirective checks the note in the error for a directive that appears twice.
func TestDuplicateDirective(t *testing.T) {
	want := `Dockerfile:3:1: error: only one syntax parser directive can be used
 3 | # Syntax = z
   | ^^^^^^^^^^^^
Dockerfile:1:1: note: first used here
 1 | # syntax=x
   | ^^^^^^^^^^
`
	if got := errorText(t, []byte("# syntax=x\n# check=y\n# Syntax = z\nFROM x\n")); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestHintTerminator checks the error for a heredoc without a terminator. Its hint and
// its note point at the line that the author probably meant as the terminator.
func TestHintTerminator(t *testing.T) {
	for _, tc := range []struct{ text, hint, note string }{
		{"RUN <<EOF\na\n EOF\n", `line 3 is " EOF", only "EOF" alone ends the heredoc`, " EOF"},
		{"RUN <<EOF\na\nEOF \n", `line 3 is "EOF ", only "EOF" alone ends the heredoc`, "EOF "},
		{"RUN <<EOF\na\neof", `line 3 is "eof", only "EOF" alone ends the heredoc`, "eof"},
		{"RUN <<EOF\na\nEOF;\nEOF)\r\n", `line 3 is "EOF;", only "EOF" alone ends the heredoc`, "EOF;"},
		{"RUN <<-EOF\n\t EOF\n", `line 2 is "\t EOF", only "EOF" alone ends the heredoc`, "\t EOF"},
		{"COPY <<A <<B /\n B\nA\n b\n", `line 4 is " b", only "B" alone ends the heredoc`, " b"},
		{"RUN <<EOF\na EOF\nEOF2\n" + strings.Repeat(" ", 90) + "EOF\n", `no line is "EOF" alone`, ""},
	} {
		_, diags := Parse(source.NewFile("Dockerfile", []byte(tc.text)))
		if len(diags) != 1 {
			t.Errorf("%q: %v", tc.text, diags)
			continue
		}
		note := ""
		if len(diags[0].Related) > 0 {
			note = diags[0].Related[0].Range.String()
		}
		if d := diags[0]; d.Hint != tc.hint || note != tc.note || d.Message != msgUnterminated {
			t.Errorf("%q: %q, hint %q, note %q, want %q, %q", tc.text, d.Message, d.Hint, note, tc.hint, tc.note)
		}
	}
}
