package lsp

import (
	"bytes"
	"errors"
	"strings"

	"slipway/diag"
	"slipway/parser"
	"slipway/source"
)

// maxSyntaxErrors is the maximum number of errors in the grammar that are reported for a document.
const maxSyntaxErrors = 50

// parseAround parses a file that the grammar rejects with the given errors. It replaces the lines
// of each error by a comment of the same length, so that all ranges stay valid. The result is nil
// if the rest is not a Dockerfile either. errs are the further errors.
func parseAround(f *source.File, first diag.List) (tree *parser.File, errs diag.List) {
	text := bytes.Clone(f.Bytes)
	list := first
	for range maxSyntaxErrors {
		if len(list) == 0 || !maskLines(text, list[0].Shown()) {
			return nil, errs
		}
		tree, list = parser.Parse(source.NewFile(f.Name, bytes.Clone(text)))
		if tree != nil {
			return tree, errs
		}
		if strings.HasPrefix(list[0].Message, "file with no instructions") {
			return nil, errs
		}
		errs = append(errs, list...)
	}
	return nil, errs
}

// maskLines replaces the lines of r by comments. It returns false if they are comments already.
func maskLines(text []byte, r source.Range) bool {
	changed := false
	start := bytes.LastIndexByte(text[:min(r.Start, len(text))], '\n') + 1
	for i := start; i < len(text) && (i < r.End || i == start || text[i-1] != '\n'); i++ {
		want := byte(' ')
		switch {
		case text[i] == '\n' || text[i] == '\r':
			continue
		case i == start || text[i-1] == '\n':
			want = '#'
		}
		changed = changed || text[i] != want
		text[i] = want
	}
	return changed
}

// diagnosticsOf returns the diagnostics in err.
func diagnosticsOf(err error) diag.List {
	var list diag.List
	var d *diag.Diagnostic
	switch {
	case errors.As(err, &list):
		return list
	case errors.As(err, &d):
		return diag.List{d}
	}
	return diag.List{diag.Errorf(source.Range{}, "%w", err)}
}
