package fix_test

import (
	"strings"
	"testing"

	"slipway/diag"
	"slipway/instructions"
	"slipway/lint"
	"slipway/lint/fix"
	"slipway/source"
)

// replacing returns a linter with a rule that replaces each occurrence of a word in USER
// instructions.
func replacing(safe bool, old, text string) *lint.Linter {
	r := &lint.Rule{Name: "Replace", Severity: diag.Warning, Summary: "x", Checks: lint.Checks{
		Instruction: func(p *lint.Pass, in *lint.Instruction, cmd instructions.Command) {
			u, ok := cmd.(*instructions.User)
			if !ok {
				return
			}
			if i := strings.Index(u.User.Value, old); i >= 0 {
				at := u.User.Text.Slice(i, i+len(old)).Range()
				p.Report(at, "found").Fix("replace", safe, lint.Replace(at, text))
			}
		},
	}}
	return lint.New([]*lint.Rule{r}, lint.Settings{})
}

// apply fixes a Dockerfile.
func apply(t *testing.T, l *lint.Linter, text string, unsafe bool) *fix.Result {
	return fix.Apply(t.Context(), l, source.NewFile("Dockerfile", []byte(text)), fix.Options{Unsafe: unsafe})
}

// TestRounds checks that fixes are applied until none is left, but not forever.
func TestRounds(t *testing.T) {
	res := apply(t, replacing(true, "aa", "a"), "FROM x\nUSER aaaa\nUSER baa\n", false)
	if want := "FROM x\nUSER a\nUSER ba\n"; string(res.Text) != want || res.Applied != 4 {
		t.Errorf("%d fixes, text %q, want 4, %q", res.Applied, res.Text, want)
	}
	if res := apply(t, replacing(true, "a", "aa"), "FROM x\nUSER a\n", false); res.Applied != 10 {
		t.Errorf("%d rounds of a fix that never ends, want 10", res.Applied)
	}
}

// TestUnsafe checks that unsafe fixes are only applied on request.
func TestUnsafe(t *testing.T) {
	const text = "FROM x\nUSER a\n"
	if res := apply(t, replacing(false, "a", "b"), text, false); string(res.Text) != text {
		t.Errorf("an unsafe fix was applied: %q", res.Text)
	}
	if res := apply(t, replacing(false, "a", "b"), text, true); string(res.Text) != "FROM x\nUSER b\n" {
		t.Errorf("an unsafe fix was not applied: %q", res.Text)
	}
}

// TestUndone checks that a fix is undone if it causes an error, and that other fixes are still
// applied.
func TestUndone(t *testing.T) {
	res := apply(t, replacing(true, "bad", "\nNOPE"), "FROM x\nUSER bad\n", false)
	if want := "FROM x\nUSER bad\n"; string(res.Text) != want || len(res.Undone) != 1 || res.Applied != 0 {
		t.Errorf("%d fixes, %d undone, text %q, want 0, 1, %q", res.Applied, len(res.Undone), res.Text, want)
	}
}

// TestLineEnds checks that new lines get the line ends of the file.
func TestLineEnds(t *testing.T) {
	res := apply(t, replacing(true, "a", "b\nUSER c"), "FROM x\r\nUSER a\r\n", false)
	if want := "FROM x\r\nUSER b\r\nUSER c\r\n"; string(res.Text) != want {
		t.Errorf("text %q, want %q", res.Text, want)
	}
}

// TestDiff checks unified diffs: several hunks, changes at the ends, and a missing line end.
func TestDiff(t *testing.T) {
	lines := func(s string) []byte { return []byte(strings.ReplaceAll(s, " ", "\n") + "\n") }
	for _, tc := range []struct {
		before, after []byte
		want          string
	}{
		{lines("a b"), lines("a b"), ""},
		{lines("a b c"), lines("a x c"), "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n"},
		{lines("1 2 3 4 5 6 7 8 9 10 11 12"), lines("x 2 3 4 5 6 7 8 9 10 11 y"), "@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n@@ -9,4 +9,4 @@\n 9\n 10\n 11\n-12\n+y\n"},
		{lines("1 2 3 4 5 6 7 8 9"), lines("1 2 3 4 n 5 6 7 8 9"), "@@ -2,6 +2,7 @@\n 2\n 3\n 4\n+n\n 5\n 6\n 7\n"},
		{[]byte("a\nb"), []byte("a\nc"), "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n\\ No newline at end of file\n"},
		{nil, lines("a"), "@@ -0,0 +1 @@\n+a\n"},
	} {
		want := tc.want
		if want != "" {
			want = "--- f\n+++ f\n" + want
		}
		if got := fix.Diff("f", tc.before, tc.after); got != want {
			t.Errorf("%q → %q:\n%s, want\n%s", tc.before, tc.after, got, want)
		}
	}
}
