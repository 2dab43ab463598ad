package diag

import (
	"fmt"
	"slices"

	"slipway/source"
)

// Severity is the severity of a [Diagnostic].
type Severity int

// The severities. The zero value is Error, so that a forgotten one is loud.
const (
	Error Severity = iota
	Warning
	Note // worth knowing, but no reason for a check to fail
)

// String returns "error", "warning" or "note".
func (s Severity) String() string {
	switch s {
	case Warning:
		return "warning"
	case Note:
		return "note"
	}
	return "error"
}

// Diagnostic is one thing that is wrong with a file, or questionable.
type Diagnostic struct {
	Severity Severity
	Code     string       // the rule's name; "" for errors, which cannot be skipped
	Message  string       // the text without position, in upstream's words where clients match on them
	Hint     string       // the reason or the remedy, in our words; "" if the message says it
	Range    source.Range // tight: what the caret points at
	Context  source.Range // what to show around it, and what clients are told; zero: Range
	Related  []Related    // other places that have to do with it
	Fixes    []Fix        // edits that would mend it
	URL      string       // where it is explained
	Detail   string       // one more sentence, the rule's description
	Cause    error        // what it wraps, if anything
	Local    bool         // clients are sent no location, as upstream sends none for this error
}

// Related is another place that a diagnostic speaks of. One with an empty
// message is simply one more location of the same fault.
type Related struct {
	Range   source.Range
	Context source.Range // as of a Diagnostic
	Message string
}

// Shown returns the range that clients are told.
func (r *Related) Shown() source.Range {
	if r.Context.IsZero() {
		return r.Range
	}
	return r.Context
}

// Fix is a set of edits that mends what a diagnostic is about.
type Fix struct {
	Title string
	Safe  bool // keeps the meaning of the file
	Edits []Edit
}

// Edit replaces a range by new text.
type Edit struct {
	Range source.Range
	New   string
}

// Errorf returns an error about the range. A %w verb sets Cause.
func Errorf(r source.Range, format string, args ...any) *Diagnostic {
	err := fmt.Errorf(format, args...)
	d := &Diagnostic{Message: err.Error(), Range: r}
	if u, ok := err.(interface{ Unwrap() error }); ok {
		d.Cause = u.Unwrap()
	}
	return d
}

// Error returns the message alone, as clients match on it.
func (d *Diagnostic) Error() string { return d.Message }

// text returns the message followed by the hint in parentheses.
func (d *Diagnostic) text() string {
	if d.Hint == "" {
		return d.Message
	}
	return d.Message + " (" + d.Hint + ")"
}

// Hinted sets the hint and returns d.
func (d *Diagnostic) Hinted(format string, args ...any) *Diagnostic {
	d.Hint = fmt.Sprintf(format, args...)
	return d
}

// KeepLocal sets Local and returns d.
func (d *Diagnostic) KeepLocal() *Diagnostic {
	d.Local = true
	return d
}

// Note adds a related range with a message and returns d. A zero range adds
// nothing.
func (d *Diagnostic) Note(r source.Range, format string, args ...any) *Diagnostic {
	if !r.IsZero() {
		d.Related = append(d.Related, Related{Range: r, Message: fmt.Sprintf(format, args...)})
	}
	return d
}

// Unwrap returns the cause.
func (d *Diagnostic) Unwrap() error { return d.Cause }

// In sets the context, the range to show and to tell clients about, and
// returns d.
func (d *Diagnostic) In(r source.Range) *Diagnostic {
	d.Context = r
	return d
}

// Shown returns the range that clients are told: the context or, without one,
// the range itself.
func (d *Diagnostic) Shown() source.Range {
	if d.Context.IsZero() {
		return d.Range
	}
	return d.Context
}

// List is a sequence of diagnostics in the order in which they were found.
type List []*Diagnostic

// Err returns the list's errors as one error: nil if there are only warnings,
// the diagnostic itself if there is one.
func (l List) Err() error {
	errs := slices.DeleteFunc(slices.Clone(l), func(d *Diagnostic) bool { return d.Severity != Error })
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return errs
}

// Error returns the texts of the diagnostics, one a line.
func (l List) Error() string {
	var b []byte
	for i, d := range l {
		if i > 0 {
			b = append(b, '\n')
		}
		b = append(b, d.Error()...)
	}
	return string(b)
}

// Unwrap returns the diagnostics as errors.
func (l List) Unwrap() []error {
	errs := make([]error, len(l))
	for i, d := range l {
		errs[i] = d
	}
	return errs
}
