package diag

import (
	"encoding/json"
	"io"

	"slipway/source"
)

// Types that define the JSON form of diagnostics. Lines and columns count from 1. Columns and
// offsets are in bytes. The end of a range is exclusive.
type (
	jsonDiagnostic struct {
		File     string        `json:"file,omitempty"`
		Severity string        `json:"severity"`
		Code     string        `json:"code,omitempty"`
		Message  string        `json:"message"`
		Hint     string        `json:"hint,omitempty"`
		Detail   string        `json:"detail,omitempty"`
		URL      string        `json:"url,omitempty"`
		Range    *jsonRange    `json:"range,omitempty"`
		Context  *jsonRange    `json:"context,omitempty"`
		Related  []jsonRelated `json:"related,omitempty"`
		Fixes    []jsonFix     `json:"fixes,omitempty"`
	}
	jsonRange struct {
		Start jsonPosition `json:"start"`
		End   jsonPosition `json:"end"`
	}
	jsonPosition struct {
		Line   int `json:"line"`
		Column int `json:"column"`
		Offset int `json:"offset"`
	}
	jsonRelated struct {
		File    string     `json:"file,omitempty"`
		Message string     `json:"message,omitempty"`
		Range   *jsonRange `json:"range,omitempty"`
	}
	jsonFix struct {
		Title string     `json:"title"`
		Safe  bool       `json:"safe"`
		Edits []jsonEdit `json:"edits"`
	}
	jsonEdit struct {
		File  string     `json:"file,omitempty"`
		Range *jsonRange `json:"range,omitempty"`
		New   string     `json:"new"`
	}
)

// Object is the JSON form of a diagnostic. Other packages embed it to add fields.
type Object = jsonDiagnostic

// NewObject returns the JSON form of a diagnostic.
func NewObject(d *Diagnostic) Object { return newJSONDiagnostic(d) }

// JSON writes the list as a JSON array with one object per diagnostic, in order. An empty
// list is written as []. Invalid UTF-8 becomes U+FFFD. JSON returns the first error from
// w.
func JSON(w io.Writer, l List) error {
	docs := make([]jsonDiagnostic, len(l))
	for i, d := range l {
		docs[i] = newJSONDiagnostic(d)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(docs)
}

// newJSONDiagnostic converts a diagnostic to its JSON form.
func newJSONDiagnostic(d *Diagnostic) jsonDiagnostic {
	j := jsonDiagnostic{
		File:     fileName(d.Range),
		Severity: d.Severity.String(),
		Code:     d.Code,
		Message:  d.Message,
		Hint:     d.Hint,
		Detail:   d.Detail,
		URL:      d.URL,
		Range:    newJSONRange(d.Range),
		Context:  newJSONRange(d.Context),
	}
	for _, r := range d.Related {
		j.Related = append(j.Related, jsonRelated{
			File: fileName(r.Range), Message: r.Message, Range: newJSONRange(r.Range),
		})
	}
	for _, f := range d.Fixes {
		fix := jsonFix{Title: f.Title, Safe: f.Safe, Edits: []jsonEdit{}}
		for _, e := range f.Edits {
			fix.Edits = append(fix.Edits, jsonEdit{
				File: fileName(e.Range), Range: newJSONRange(e.Range), New: e.New,
			})
		}
		j.Fixes = append(j.Fixes, fix)
	}
	return j
}

// newJSONRange converts a range to its JSON form. It returns nil for the zero range.
func newJSONRange(r source.Range) *jsonRange {
	if r.IsZero() {
		return nil
	}
	at := func(offset int) jsonPosition {
		p := r.File.Position(offset)
		return jsonPosition{Line: p.Line, Column: p.Column, Offset: offset}
	}
	return &jsonRange{Start: at(r.Start), End: at(r.End)}
}

// fileName returns the name of the range's file, or "" if the range is zero.
func fileName(r source.Range) string {
	if r.IsZero() {
		return ""
	}
	return r.File.Name
}
