package samebuild

import (
	"context"
	"strings"
	"testing"

	"slipway/diag"
	"slipway/format"
	"slipway/parser"
	"slipway/source"
)

func parse(t *testing.T, text string) *parser.File {
	t.Helper()
	f, diags := parser.Parse(source.NewFile("Dockerfile", []byte(text)))
	if diags.Err() != nil {
		t.Fatalf("%q: %v", text, diags)
	}
	return f
}

// TestCompare checks which changes of a file change its build. Texts are separated by |.
func TestCompare(t *testing.T) {
	for _, tc := range []struct{ files, want string }{
		{"from a as b\nRUN x\n|FROM a AS b\n\nRUN  x\n", ""},
		{"FROM a\nCOPY --chown=1 --link a b\n|FROM a\nCOPY --link --chown=1  a \\\n b\n", ""},
		{"FROM a\nCMD [\"a\",\"b\"]\n|FROM a\nCMD [ \"a\" , \"b\" ]\n", ""},
		{"FROM a\nUSER\n|\nFROM a\nUSER\n", ""}, // the same error in another line
		{"FROM a\nRUN a \\\n b\n|FROM a\nRUN a \\\n  b\n", "stage 0: config"},
		{"FROM a\nCMD a  b\n|FROM a\nCMD a b\n", "stage 0: config"},
		{"FROM a\nONBUILD RUN  a\n|FROM a\nONBUILD RUN a\n", "stage 0: config"},
		{"FROM a\nENV A=\"b  c\"\n|FROM a\nENV A=\"b c\"\n", "stage 0: config"},
		{"FROM a AS x\nRUN a\nFROM b\n|FROM a AS x\nRUN  a  b\nFROM b\n", "stage 0: config"},
		{"FROM a\nRUN --network=none a\n|FROM a\nRUN a\n", "stage 0: operation"},
		{"FROM a AS x\nRUN --mount=target=/a a\nFROM b\nCOPY --from=x a b\n|FROM a AS x\nRUN --mount=target=/b a\nFROM b\nCOPY --from=x a b\n", "stage 0: operation"},
		{"FROM a\nRUN a\nRUN b\n|FROM a\nRUN a\n", "stage 0: config"},
		{"FROM a\nADD --link a b\n|FROM a\nADD a b\n", "operations instead of"},
		{"FROM a\n|FROM b\n", "stage 0: operation 0 differs"},
		{"FROM a\nFROM b\n|FROM a\n", "1 stages instead of 2"},
		{"FROM a\nUSER\n|FROM a\nUSER x\n", "error \"\" instead of \"dockerfile parse error on line N: USER requires"},
		{"FROM a\nUSER\n|FROM a\nWORKDIR\n", "error \"dockerfile parse error on line N: WORKDIR requires"},
		{"FROM a\nCOPY --from=9 a b\n|FROM a\nCOPY --from=8 a b\n", "stage 0: error"},
	} {
		a, b, _ := strings.Cut(tc.files, "|")
		err := Compare(t.Context(), parse(t, a), parse(t, b))
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%q: %v, want %q", tc.files, err, tc.want)
		}
	}
}

// TestFormat checks the layout with and without scripts, and that a cancelled context ends it.
func TestFormat(t *testing.T) {
	f := parse(t, "from a\nrun  a  \\\n  && b\n")
	for _, tc := range []struct {
		shell bool
		want  string
	}{
		{false, "FROM a\nRUN a  \\\n  && b\n"},
		{true, "FROM a\nRUN a \\\n    && b\n"},
	} {
		opt := format.Default()
		opt.Shell = tc.shell
		edits, err := Format(t.Context(), f, opt)
		if got := string(diag.Apply(f.Source, edits)); err != nil || got != tc.want {
			t.Errorf("%q, %v, want %q", got, err, tc.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if edits, err := Format(ctx, f, format.Default()); err == nil || len(edits) > 0 {
		t.Errorf("cancelled: %v, %v", edits, err)
	}
}

// TestChanging checks that an instruction whose layout would change the build is found. No layout
// does, so the edits are wrong on purpose.
func TestChanging(t *testing.T) {
	f := parse(t, "FROM a\nRUN b\n")
	wrong := format.Layout{Edits: []diag.Edit{{Range: source.Range{File: f.Source, Start: 11, End: 12}, New: "c"}}, File: parse(t, "FROM a\nRUN c\n")}
	if err := compareLayout(t.Context(), f, wrong); err == nil {
		t.Error("an edit of a command was not found")
	}
	keep, errs := changing(t.Context(), f, format.Default())
	if len(errs) > 0 || keep(0) || keep(1) {
		t.Errorf("%v", errs)
	}
}
