package instructions

import (
	"strings"

	"slipway/diag"
	"slipway/parser"
	"slipway/source"
)

// words lists the arguments of an instruction, be they a list or one string.
// Those of ENV, LABEL, HEALTHCHECK and ONBUILD have forms of their own.
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

// argsRange is where the arguments stand; without any, the keyword does for
// them.
func argsRange(in *parser.Instruction) source.Range {
	if in.Rest.Len() == 0 {
		return in.Keyword.Range()
	}
	return in.Rest.Range()
}

// The faults of several instructions.

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

// cutText splits a text at its first =. Without one, the second part is the
// empty text behind the first.
func cutText(t source.Text) (key, value source.Text) {
	s := t.String()
	if i := strings.IndexByte(s, '='); i >= 0 {
		return t.Slice(0, i), t.Slice(i+1, len(s))
	}
	return t, t.Slice(len(s), len(s))
}

// inside tells whether a range is somewhere in another.
func inside(r, in source.Range) bool {
	return r.File == in.File && in.Start <= r.Start && r.Start <= r.End && r.End <= in.End
}
