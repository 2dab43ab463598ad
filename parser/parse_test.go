package parser

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"slipway/source"
)

// dockerfiles are seeds for tests and fuzzing: each shows a corner of lines,
// words or heredocs.
var dockerfiles = []string{
	"FROM a\n",
	"FROM a",
	"\xef\xbb\xbf# syntax=x\n# escape=`\nFROM a\nRUN x `\n  y\n",
	"# comment\n\n  # indented\nFROM a AS b # c\n#\n# doc\n\nRUN a \\\n# in between\n\n  b \\  \n c\n",
	"FROM a\r\nRUN a \\\r\n  b\r\nCOPY <<A <<-B /\r\nx\r\nA\r\n\ty\r\n\tB\r\n",
	"FROM --platform=$X a\nENV a=b c=\"d e\" f='g h' i=j\\ k\nENV x y z\nLABEL \"a b\"=c\n",
	"FROM a\nCOPY --chown=a --from=\"b c\" -- x y\nADD [\"a\\\"b\", \"c\" ] \nCMD [\"x\",\n",
	"FROM a\nHEALTHCHECK --interval=3s CMD [\"a\", \"b\"]\nHEALTHCHECK CMD a b\nHEALTHCHECK NONE\n",
	"FROM a\nONBUILD RUN --mount=type=cache,target=/x <<E\nbody\nE\nONBUILD COPY [\"a\",\"b\"]\n",
	"FROM a\nRUN <<E cat && <<\"F G\" cat\n1\nE\n2\nF G\nEXPOSE 80  90\t100\nVOLUME a b\nARG a b=c\\\n",
	"FROM a\n\u00a0RUN x\u3000\nRUN a\x00b\nRUN \xff\xfe\nENV a=\xff\n",
	"\\\nFROM a\nUNKNOWN x\nmaintainer x y\nrun\nCMD []\nENTRYPOINT  x\nUSER a b\n",
}

func TestParse(t *testing.T) {
	for i, text := range dockerfiles {
		t.Run(fmt.Sprint(i), func(t *testing.T) { check(t, []byte(text)) })
	}
}

// check compares a tree with the bytes it was read from and with BuildKit's.
func check(t *testing.T, content []byte) {
	t.Helper()
	want, err := parser.Parse(bytes.NewReader(content))
	f, diags := Parse(source.NewFile("Dockerfile", content))
	if len(content) == 0 || err != nil {
		if diags.Err() == nil {
			t.Fatalf("no error, want %v", err)
		}
		if err != nil && len(content) > 0 && diags.Err().Error() != err.Error() {
			t.Fatalf("error %q, want %q", diags.Err(), err)
		}
		return
	}
	if diags.Err() != nil {
		t.Fatal(diags.Err())
	}
	var b bytes.Buffer
	if err := Print(&b, f); err != nil || !bytes.Equal(b.Bytes(), content) {
		t.Fatalf("printed %q, read %q", b.Bytes(), content)
	}
	end := 0
	for _, n := range f.Nodes {
		r := n.Range()
		if r.Start != end || r.End <= r.Start {
			t.Fatalf("%T at %d-%d follows %d", n, r.Start, r.End, end)
		}
		end = r.End
	}
	list := f.Instructions()
	if len(list) != len(want.AST.Children) {
		t.Fatalf("%d instructions, want %d", len(list), len(want.AST.Children))
	}
	for i, in := range list {
		checkInstruction(t, in, want.AST.Children[i])
	}
}

func checkInstruction(t *testing.T, in *Instruction, n *parser.Node) {
	t.Helper()
	if in.Line.String() != n.Original {
		t.Errorf("logical line %q, want %q", in.Line, n.Original)
	}
	if in.Keyword.String() != n.Value {
		t.Errorf("keyword %q, want %q", in.Keyword, n.Value)
	}
	if len(in.Flags) != len(n.Flags) {
		t.Fatalf("%d flags, want %q", len(in.Flags), n.Flags)
	}
	for i, fl := range in.Flags {
		if !strings.HasPrefix(fl.Text.String(), "--") || fl.Raw != n.Flags[i] {
			t.Errorf("flag %q (%q), want %q", fl.Text, fl.Raw, n.Flags[i])
		}
		placed(t, fl.Text)
	}
	if len(in.Heredocs) != len(n.Heredocs) {
		t.Fatalf("%d heredocs, want %d", len(in.Heredocs), len(n.Heredocs))
	}
	for i, h := range in.Heredocs {
		if h.Content() != n.Heredocs[i].Content {
			t.Errorf("heredoc %q, want %q", h.Content(), n.Heredocs[i].Content)
		}
		if end := strings.TrimRight(h.End.String(), "\r\n"); strings.TrimLeft(end, "\t") != h.Name && end != h.Name {
			t.Errorf("terminator %q of heredoc %q", end, h.Name)
		}
		if w, ok := ParseHeredoc(h.Word.String()); !ok || w.Name != h.Name {
			t.Errorf("heredoc word %q is not %q", h.Word, h.Name)
		}
	}
	var comments []string
	for _, c := range in.Doc {
		comments = append(comments, c.Text.String())
	}
	if got, want := strings.Join(comments, "\n"), strings.Join(n.PrevComment, "\n"); got != want {
		t.Errorf("comments %q, want %q", got, want)
	}
	checkArgs(t, in.Args)
}

// checkArgs looks whether words stand where they are said to.
func checkArgs(t *testing.T, a Args) {
	t.Helper()
	var words []Word
	switch a := a.(type) {
	case nil:
		return
	case *Raw:
		words = []Word{a.Word}
	case *Words:
		words = a.Words
	case *Pairs:
		for _, p := range a.Pairs {
			words = append(words, p.Key, p.Value)
		}
	case *JSON:
		for _, w := range a.Words {
			s := w.Text.String()
			if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
				t.Errorf("JSON string %q at %q", w.Value, s)
			}
			placed(t, w.Text)
		}
		return
	case *Typed:
		checkArgs(t, a.Args)
		words = []Word{a.Type}
	case *Sub:
		checkArgs(t, a.Instruction.Args)
		return
	}
	for _, w := range words {
		placed(t, w.Text)
		// The grammar drops an escape character at the end and repairs bytes
		// that are not UTF-8; otherwise a word is what stands there.
		got := strings.ToValidUTF8(w.Value, "\uFFFD")
		text := w.Text.String()
		if w.Value != text && got != strings.ToValidUTF8(text, "\uFFFD") &&
			!strings.HasPrefix(text, w.Value) && !strings.Contains(w.Value, "\uFFFD") {
			t.Errorf("word %q stands at %q", w.Value, text)
		}
	}
}

// placed checks that every byte of a text is that of the file.
func placed(t *testing.T, x source.Text) {
	t.Helper()
	for i := range x.Len() {
		if x.File().Bytes[x.Offset(i)] != x.String()[i] {
			t.Fatalf("byte %d of %q is not at %d", i, x, x.Offset(i))
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range dockerfiles {
		f.Add([]byte(text))
	}
	f.Fuzz(check)
}

func TestFaults(t *testing.T) {
	for _, tc := range []struct{ text, message, at string }{
		{"", "the Dockerfile cannot be empty", ""},
		{"# x\n\n", "file with no instructions", ""},
		{"# escape=a\nFROM x\n", "invalid escape token 'a' does not match ` or \\", "a"},
		{"# escape=`\n# escape=`\nFROM x\n", "only one escape parser directive can be used", "# escape=`"},
		{"FROM x\nENV a=b c d=e\n", "Syntax error - can't find = in \"c\". Must be of the form: name=value", "c"},
		{"FROM x\nRUN cat <<EOF\nbody\n", "unterminated heredoc", "<<EOF"},
		{"FROM x\nCMD [\"a\", 1]\n", "when using JSON array syntax, arrays must be comprised of strings only", "1"},
	} {
		_, diags := Parse(source.NewFile("Dockerfile", []byte(tc.text)))
		if len(diags) != 1 || diags[0].Message != tc.message || diags[0].Range.String() != tc.at {
			t.Errorf("%q: %v", tc.text, diags)
			for _, d := range diags {
				t.Logf("at %q", d.Range)
			}
		}
	}
}
