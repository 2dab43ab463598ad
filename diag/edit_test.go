package diag

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"slipway/source"
)

// edits parses edits of the form START-END=NEW, separated by blanks. In NEW, / stands for a line
// end and _ for a blank.
func edits(t *testing.T, f *source.File, text string) []Edit {
	t.Helper()
	var list []Edit
	for _, field := range strings.Fields(text) {
		at, text, ok := strings.Cut(field, "=")
		start, end, ok2 := strings.Cut(at, "-")
		if !ok || !ok2 {
			t.Fatalf("invalid edit %q", field)
		}
		list = append(list, Edit{source.Range{File: f, Start: number(t, start), End: number(t, end)}, strings.NewReplacer("/", "\n", "_", " ").Replace(text)})
	}
	return list
}

func number(t *testing.T, s string) int {
	t.Helper()
	n := 0
	for _, c := range s {
		n = n*10 + int(c-'0')
	}
	return n
}

func TestUnified(t *testing.T) {
	const text = "1\n2\n3\n4\n5\n6\n7\n8\n9\nA\nB\nC\n"
	for _, tc := range []struct{ text, edits, after, diff string }{
		{text, "", text, ""},
		{text, "0-1=x", "x" + text[1:], "@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n"},
		{text, "2-4=", "1\n3\n4\n5\n6\n7\n8\n9\nA\nB\nC\n", "@@ -1,5 +1,4 @@\n 1\n-2\n 3\n 4\n 5\n"},
		{text, "1-2=_", "1 2\n" + text[4:], "@@ -1,5 +1,4 @@\n-1\n-2\n+1 2\n 3\n 4\n 5\n"},
		{text, "0-0=x/ 22-23=y", "x\n" + text[:22] + "y\n", "@@ -1,3 +1,4 @@\n+x\n 1\n 2\n 3\n@@ -9,4 +10,4 @@\n 9\n A\n B\n-C\n+y\n"},
		{text, "2-3=x 14-15=y", "1\nx\n3\n4\n5\n6\n7\ny\n9\nA\nB\nC\n", "@@ -1,11 +1,11 @@\n 1\n-2\n+x\n 3\n 4\n 5\n 6\n 7\n-8\n+y\n 9\n A\n B\n"},
		{text, "24-24=D/", text + "D\n", "@@ -10,3 +10,4 @@\n A\n B\n C\n+D\n"},
		{"a", "1-1=/", "a\n", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"},
		{"a\n", "1-2=", "a", "@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n"},
		{"a\nb\nc\n", "0-1=x 2-3=y", "x\ny\nc\n", "@@ -1,3 +1,3 @@\n-a\n-b\n+x\n+y\n c\n"},
		{"a b\n", "0-1=A 2-3=B", "A B\n", "@@ -1 +1 @@\n-a b\n+A B\n"},
		{"", "0-0=a/", "a\n", "@@ -0,0 +1 @@\n+a\n"},
		{"a\n", "0-2=", "", "@@ -1 +0,0 @@\n-a\n"},
	} {
		f := source.NewFile("f", []byte(tc.text))
		list := edits(t, f, tc.edits)
		if got := string(Apply(f, list)); got != tc.after {
			t.Errorf("%q %s: %q, want %q", tc.text, tc.edits, got, tc.after)
		}
		want := tc.diff
		if want != "" {
			want = "--- f\n+++ f\n" + want
		}
		var b bytes.Buffer
		if err := Unified(&b, f, list); err != nil || b.String() != want {
			t.Errorf("%q %s: %v\n%s\nwant\n%s", tc.text, tc.edits, err, b.String(), want)
		}
	}
}

// TestUnifiedWriter checks that Unified returns the errors of its writer.
func TestUnifiedWriter(t *testing.T) {
	f := source.NewFile("f", []byte("a\n"))
	for size := range 2 {
		w := &limitedWriter{size}
		if err := Unified(w, f, edits(t, f, "0-1=b")); !errors.Is(err, errFull) {
			t.Errorf("after %d writes: %v", size, err)
		}
	}
}

// limitedWriter is a writer that returns errFull after a number of calls.
type limitedWriter struct{ room int }

func (w *limitedWriter) Write(p []byte) (int, error) {
	if w.room--; w.room < 0 {
		return 0, errFull
	}
	return len(p), nil
}
