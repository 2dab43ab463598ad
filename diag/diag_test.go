package diag

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/source"
)

// TestLines checks that Lines merges overlapping and adjacent ranges into spans of lines.
func TestLines(t *testing.T) {
	f := source.NewFile("f", []byte("1\n2\n3\n4\n5\n6\n7\n8\n9\n"))
	lines := func(first, last int) source.Range { return f.LineRange(first, last) }
	for _, tc := range []struct {
		ranges []source.Range
		want   []LineSpan
	}{
		{nil, nil},
		{[]source.Range{{}}, nil},
		{[]source.Range{lines(3, 4)}, []LineSpan{{3, 4}}},
		{[]source.Range{lines(7, 7), lines(1, 2)}, []LineSpan{{1, 2}, {7, 7}}},
		{[]source.Range{lines(1, 2), lines(3, 3)}, []LineSpan{{1, 3}}},
		{[]source.Range{lines(1, 8), lines(2, 3), {}, lines(9, 9)}, []LineSpan{{1, 9}}},
		{[]source.Range{lines(5, 5), lines(5, 5)}, []LineSpan{{5, 5}}},
	} {
		if diff := cmp.Diff(tc.want, Lines(tc.ranges...)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tc.ranges, diff)
		}
	}
}

// TestDiagnosticLines checks which line numbers the frontend sends to clients for a
// diagnostic.
func TestDiagnosticLines(t *testing.T) {
	f := source.NewFile("f", []byte("1\n2\n3\n4\n5\n6\n"))
	d := Errorf(f.LineRange(2, 2), "x")
	if diff := cmp.Diff([]LineSpan{{2, 2}}, d.Lines()); diff != "" {
		t.Error(diff)
	}
	d.In(f.LineRange(2, 3)).Related = []Related{
		{Range: f.LineRange(6, 6)},
		{Range: f.LineRange(5, 5), Message: "a remark, no location of the fault"},
		{Range: source.NewFile("other", []byte("x")).LineRange(1, 1)},
	}
	if diff := cmp.Diff([]LineSpan{{2, 3}, {6, 6}}, d.Lines()); diff != "" {
		t.Error(diff)
	}
	if got := (&Diagnostic{}).Lines(); got != nil {
		t.Errorf("lines %v for a diagnostic without a range, want none", got)
	}
}

// TestErrorf checks the diagnostics from Errorf, and the methods Error, Unwrap, In and
// Shown.
func TestErrorf(t *testing.T) {
	r := source.Range{File: source.NewFile("f", []byte("abc")), Start: 1, End: 2}
	d := Errorf(r, "reading %q: %w", "x", io.ErrUnexpectedEOF)
	if d.Error() != `reading "x": unexpected EOF` || !errors.Is(d, io.ErrUnexpectedEOF) {
		t.Errorf("%v", d)
	}
	if d.Shown() != r || d.In(source.Range{File: r.File, End: 3}).Shown().End != 3 {
		t.Error("Shown does not return the context, or else the range")
	}
	if d := Errorf(r, "plain"); d.Cause != nil || d.Severity != Error {
		t.Errorf("%+v", d)
	}
}

// TestListErr checks that Err returns the errors in a list, and omits warnings and notes.
func TestListErr(t *testing.T) {
	warning := &Diagnostic{Severity: Warning, Message: "w"}
	one, two := &Diagnostic{Message: "1"}, &Diagnostic{Message: "2", Cause: io.EOF}
	if err := (List{warning}).Err(); err != nil {
		t.Errorf("error %v for a list of warnings, want nil", err)
	}
	if err := (List{warning, one}).Err(); err != error(one) { //nolint:errorlint // must not be wrapped
		t.Errorf("error %v for a list with one error, want it unwrapped", err)
	}
	err := List{one, warning, two}.Err()
	if err == nil || err.Error() != "1\n2" || !errors.Is(err, io.EOF) {
		t.Errorf("two errors are %v", err)
	}
	var d *Diagnostic
	if !errors.As(fmt.Errorf("context: %w", err), &d) || d != one {
		t.Errorf("the first is %v", d)
	}
	if Warning.String() != "warning" || Error.String() != "error" {
		t.Error("wrong name of a severity")
	}
}
