package plan

import (
	"errors"

	"slipway/diag"
	"slipway/parser"
	"slipway/shell"
	"slipway/source"
)

// expandWord expands the variables in w. An error has the range of the invalid part of w.
func expandWord(x shell.Expander, w parser.Word, env shell.Env) (shell.Expansion, *diag.Diagnostic) {
	res, err := x.Expand(w.Value, env)
	if err != nil {
		return res, diag.Errorf(errorRange(w, err), "%w", err)
	}
	return res, nil
}

// errorRange returns the range from the offset of a shell error to the end of w. It
// returns the range of w if the error has no offset, or if quotes or escapes make the
// offset unusable.
func errorRange(w parser.Word, err error) source.Range {
	r := w.Text.Range()
	var se *shell.Error
	if errors.As(err, &se) && w.Value == w.Text.String() && se.Offset >= 0 && se.Offset < w.Text.Len() {
		r = w.Text.Slice(se.Offset, w.Text.Len()).Range()
	}
	return r
}

// withRange returns err as a diagnostic. If err has no range yet, it gets r. Otherwise it
// gets r as its context.
func withRange(r source.Range, err error) error {
	var d *diag.Diagnostic
	if !errors.As(err, &d) {
		d = diag.Errorf(r, "%w", err)
		return d
	}
	if d.Context.IsZero() {
		d.Context = r
	}
	return err
}
