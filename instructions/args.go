package instructions

import (
	"strings"

	"slipway/diag"
	"slipway/parser"
	"slipway/source"
)

// words returns the arguments of an instruction, which are a list or one
// string. It returns nil for ENV, LABEL, HEALTHCHECK and ONBUILD, whose
// arguments have other types.
func words(a parser.Args) []parser.Word {
	switch a := a.(type) {
	case *parser.Raw:
		return []parser.Word{a.Word}
	case *parser.Words:
		return a.Words
	case *parser.JSON:
		return a.Words
	}
	return nil
}

// argsRange returns the range of the arguments. Without arguments it returns the
// range of the keyword.
func argsRange(in *parser.Instruction) source.Range {
	if in.Rest.Len() == 0 {
		return in.Keyword.Range()
	}
	return in.Rest.Range()
}

// Errors that several instructions share.

func exactlyOne(in *parser.Instruction, name string) *diag.Diagnostic {
	return diag.Errorf(argsRange(in), "%s requires exactly one argument", name)
}

func atLeastOne(in *parser.Instruction, name string) *diag.Diagnostic {
	return diag.Errorf(argsRange(in), "%s requires at least one argument", name)
}

func blankName(r source.Range, name string) *diag.Diagnostic {
	return diag.Errorf(r, "%s names can not be blank", name)
}

// cut splits a word at its first =.
func cut(w parser.Word) (key, value parser.Word, ok bool) {
	key.Value, value.Value, ok = strings.Cut(w.Value, "=")
	key.Text, value.Text = cutText(w.Text)
	return key, value, ok
}

// cutText splits a text at its first =. If it has none, value is the empty text
// at its end.
func cutText(t source.Text) (key, value source.Text) {
	s := t.String()
	if i := strings.IndexByte(s, '='); i >= 0 {
		return t.Slice(0, i), t.Slice(i+1, len(s))
	}
	return t, t.Slice(len(s), len(s))
}

// inside reports whether r is within in.
func inside(r, in source.Range) bool {
	return r.File == in.File && in.Start <= r.Start && r.Start <= r.End && r.End <= in.End
}
