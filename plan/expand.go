package plan

import (
	"errors"

	"slipway/diag"
	"slipway/parser"
	"slipway/shell"
	"slipway/source"
)

// expandWord expands a word. An error has the range of the fault inside the word.
func expandWord(x shell.Expander, w parser.Word, env shell.Env) (shell.Result, *diag.Diagnostic) {
	res, err := x.Expand(w.Value, env)
	if err != nil {
		return res, diag.Errorf(faultRange(w, err), "%w", err)
	}
	return res, nil
}

// faultRange returns the range from the offset of a shell error to the end of the word, or
// the whole word if the error has no offset.
func faultRange(w parser.Word, err error) source.Range {
	r := w.Text.Range()
	var se *shell.Error
	if errors.As(err, &se) && w.Value == w.Text.String() && se.Offset >= 0 && se.Offset < w.Text.Len() {
		r = w.Text.Slice(se.Offset, w.Text.Len()).Range()
	}
	return r
}

// withRange gives an error a range. An error that has one gets r as its context.
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
