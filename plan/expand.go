package plan

import (
	"errors"

	"slipway/diag"
	"slipway/parser"
	"slipway/shell"
	"slipway/source"
)

// expandWord expands the variables in a word. The range of an error is the invalid part
// of the word.
func expandWord(x shell.Expander, w parser.Word, env shell.Env) (shell.Expansion, *diag.Diagnostic) {
	res, err := x.Expand(w.Value, env)
	if err != nil {
		return res, diag.Errorf(errorRange(w, err), "%w", err)
	}
	return res, nil
}

// errorRange returns the source range of a shell error in the word w: from the offset of
// the error to the end of the word. If the error has no offset, or if quotes or escapes
// make the offset unusable, it returns the range of the whole word.
func errorRange(w parser.Word, err error) source.Range {
	r := w.Text.Range()
	var se *shell.Error
	if errors.As(err, &se) && w.Value == w.Text.String() && se.Offset >= 0 && se.Offset < w.Text.Len() {
		r = w.Text.Slice(se.Offset, w.Text.Len()).Range()
	}
	return r
}

// withRange returns err as a diagnostic. If err has no range, the diagnostic gets the
// range r. If err is a diagnostic with a range but without a context, the context of the
// diagnostic becomes r.
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
