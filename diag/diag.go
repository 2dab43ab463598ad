package diag

import (
	"fmt"
	"slices"

	"slipway/source"
)

// Severity is the level of a [Diagnostic], such as Error or Warning.
type Severity int

// The severities of a [Diagnostic]. The zero value is Error, so that a missing severity does not
// go unnoticed.
const (
	Error Severity = iota
	Warning
	Note  // information that does not fail a check
	Info  // advice; only package lint reports it
	Style // a matter of taste; only package lint reports it
)

// String returns the name of the severity in lower case, such as "error".
func (s Severity) String() string {
	switch s {
	case Warning:
		return "warning"
	case Note:
		return "note"
	case Info:
		return "info"
	case Style:
		return "style"
	}
	return "error"
}

// Diagnostic is an error, a warning or a note about a file. A *Diagnostic implements error.
type Diagnostic struct {
	Severity Severity
	Code     string       // the name of the lint rule; "" for errors
	Message  string       // the text without the position; upstream's text if clients match on it
	Hint     string       // the reason or the remedy, if the message does not contain it
	Range    source.Range // the exact range, which carets mark; zero if the diagnostic is not about a file
	Context  source.Range // the lines to show and to send to clients; if zero, the lines of Range
	Related  []Related    // related locations, such as a first definition
	Fixes    []Fix        // alternative fixes
	URL      string       // the URL of the rule's documentation
	Detail   string       // the description of the rule
	Cause    error        // the wrapped error, or nil
	Local    bool         // whether clients do not get the location. Upstream: the error has no location
}

// Related is a source location that is related to a diagnostic, such as a first definition.
// If Message is empty, it is an additional location of the same error.
type Related struct {
	Range   source.Range
	Context source.Range // as in Diagnostic
	Message string
}

// Shown returns the range that is sent to clients: the field Context or, if it is zero,
// the field Range.
func (r *Related) Shown() source.Range {
	if r.Context.IsZero() {
		return r.Range
	}
	return r.Context
}

// Fix is a set of edits that fixes the cause of a diagnostic.
type Fix struct {
	Title string
	Safe  bool // whether the edits preserve the meaning of the file
	Edits []Edit
}

// Edit replaces the text of a range with New.
type Edit struct {
	Range source.Range
	New   string
}

// Errorf returns a Diagnostic with the severity Error and the range r. An error that is
// formatted with %w becomes the Cause.
func Errorf(r source.Range, format string, args ...any) *Diagnostic {
	err := fmt.Errorf(format, args...)
	d := &Diagnostic{Message: err.Error(), Range: r}
	if u, ok := err.(interface{ Unwrap() error }); ok {
		d.Cause = u.Unwrap()
	}
	return d
}

// Error implements error. It returns only the message, because clients match on it.
func (d *Diagnostic) Error() string { return d.Message }

// withHint returns the message, followed by the hint in parentheses.
func (d *Diagnostic) withHint() string {
	if d.Hint == "" {
		return d.Message
	}
	return d.Message + " (" + d.Hint + ")"
}

// Hinted sets the hint of the diagnostic and returns the diagnostic.
func (d *Diagnostic) Hinted(format string, args ...any) *Diagnostic {
	d.Hint = fmt.Sprintf(format, args...)
	return d
}

// KeepLocal marks the diagnostic so that its location is not sent to clients. It returns
// the diagnostic.
func (d *Diagnostic) KeepLocal() *Diagnostic {
	d.Local = true
	return d
}

// Note adds a related range with a message, unless the range is zero. It returns the
// diagnostic.
func (d *Diagnostic) Note(r source.Range, format string, args ...any) *Diagnostic {
	if !r.IsZero() {
		d.Related = append(d.Related, Related{Range: r, Message: fmt.Sprintf(format, args...)})
	}
	return d
}

// Unwrap returns the cause, or nil.
func (d *Diagnostic) Unwrap() error { return d.Cause }

// In sets the field Context, the range to show and to send to clients, and returns the
// diagnostic.
func (d *Diagnostic) In(r source.Range) *Diagnostic {
	d.Context = r
	return d
}

// Shown returns the range that is sent to clients: the field Context or, if it is zero,
// the field Range.
func (d *Diagnostic) Shown() source.Range {
	if d.Context.IsZero() {
		return d.Range
	}
	return d.Context
}

// List is a list of diagnostics in the order in which they were found.
type List []*Diagnostic

// Err returns the errors in the list as one error, without the warnings and notes. For a
// list without errors, it returns nil. A single error is returned unwrapped.
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

// Error returns the messages of the diagnostics, one per line.
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
