package instructions

import (
	"strings"

	"slipway/diag"
	"slipway/parser"
	"slipway/source"
)

// words returns the arguments of an instruction as a list of words. If the arguments are
// a single string, the list has one word. For ENV, LABEL, HEALTHCHECK and ONBUILD, whose
// arguments have another structure, words returns nil.
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

// argsRange returns the range of the arguments, or of the keyword if there are no
// arguments.
func argsRange(in *parser.Instruction) source.Range {
	if in.Rest.Len() == 0 {
		return in.Keyword.Range()
	}
	return in.Rest.Range()
}

// Errors that several instructions share. In these functions, the parameter name is the
// keyword of the instruction.

func errExactlyOne(in *parser.Instruction, name string) *diag.Diagnostic {
	return diag.Errorf(argsRange(in), "%s requires exactly one argument", name)
}

func errAtLeastOne(in *parser.Instruction, name string) *diag.Diagnostic {
	return diag.Errorf(argsRange(in), "%s requires at least one argument", name)
}

func errBlankName(r source.Range, name string) *diag.Diagnostic {
	return diag.Errorf(r, "%s names can not be blank", name)
}

// cutWord splits a word at its first =. ok is false if the word contains no =.
func cutWord(w parser.Word) (key, value parser.Word, ok bool) {
	key.Value, value.Value, ok = strings.Cut(w.Value, "=")
	key.Text, value.Text = cutText(w.Text)
	return key, value, ok
}

// cutText splits t at its first = into key and value. If t contains no =, key is t, and
// value is the empty text at the end of t.
func cutText(t source.Text) (key, value source.Text) {
	s := t.String()
	if i := strings.IndexByte(s, '='); i >= 0 {
		return t.Slice(0, i), t.Slice(i+1, len(s))
	}
	return t, t.Slice(len(s), len(s))
}

// isInside reports whether the range r is within the range outer.
func isInside(r, outer source.Range) bool {
	return r.File == outer.File && outer.Start <= r.Start && r.Start <= r.End && r.End <= outer.End
}
