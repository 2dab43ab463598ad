package plan

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"

	"slipway/diag"
	"slipway/instructions"
	"slipway/parser"
	"slipway/shell"
	"slipway/source"
)

// Lowering describes how an instruction of a file with a gate reads in a plain Dockerfile.
type Lowering struct {
	Omit    bool             // the instruction does not exist, because its condition is false
	Edits   []diag.Edit      // changes to the text of the instruction, which do not overlap
	Text    string           // the instruction in full, without a line end; if not "", it replaces Edits
	Above   []string         // instructions that precede the instruction
	Numbers []StageNumber    // numbers of stages in the text
	Left    []string         // flags without an effect on the image, which the plain Dockerfile lacks
	Native  *diag.Diagnostic // why no plain Dockerfile is equivalent; nil if one is
}

// edit adds a change. It replaces an earlier change of the same range.
func (l *Lowering) edit(r source.Range, text string) {
	for i := range l.Edits {
		if l.Edits[i].Range == r {
			l.Edits[i].New = text
			return
		}
	}
	l.Edits = append(l.Edits, diag.Edit{Range: r, New: text})
}

// editWord adds a change of a word, or of a part of it.
func (l *Lowering) editWord(r source.Range, text string) {
	l.oneLine(r, r.String(), text)
	l.edit(r, text)
}

// isGated reports whether the file has a gate.
func (b *builder) isGated() bool { return b.current.Dockerfile.Gate != nil }

// isGated reports whether the current instruction may use extensions: the file has a gate, and
// the instruction is not an ONBUILD trigger of a base image.
func (e *evaluator) isGated() bool { return e.b.isGated() && !e.visit.Onbuild }

// lowering returns the Lowering of an instruction, which it creates if necessary.
func (b *builder) lowering(in *parser.Instruction) *Lowering {
	if b.Lowered == nil { // options of the caller apply to plain Dockerfiles, too
		b.Lowered = map[*parser.Instruction]*Lowering{}
	}
	l := b.Lowered[in]
	if l == nil {
		l = &Lowering{}
		b.Lowered[in] = l
	}
	return l
}

// omit records that an instruction of the stage st does not exist.
func (b *builder) omit(st *Stage, c instructions.Command) {
	b.lowering(c.Syntax()).Omit = true
	if isStep(c) {
		st.Total--
	}
}

// dropFlags records that the plain instruction lacks the flags that extend the language.
func (b *builder) dropFlags(c instructions.Command) {
	x := c.Extension()
	if x == nil {
		return
	}
	for _, f := range x.Flags {
		r := f.Text.Range()
		rest := r.File.Bytes[r.End:c.Syntax().Rng.End]
		r.End += len(rest) - len(bytes.TrimLeft(rest, " \t"))
		b.lowering(c.Syntax()).edit(r, "")
	}
}

// ownFile reports whether the text is from the Dockerfile or from a file that it includes.
// Text of ONBUILD triggers is not.
func (b *builder) ownFile(f *source.File) bool {
	return f == b.current.Dockerfile.File.Source || b.current.isIncluded(f)
}

// isIncluded reports whether the Dockerfile includes the file f.
func (s *Scope) isIncluded(f *source.File) bool {
	for _, in := range s.Dockerfile.File.Included {
		if in.Source == f {
			return true
		}
	}
	return false
}

// expanderFor returns the expander for a word: x with the escape character of the word's file,
// and without extensions for the text of a trigger.
func (b *builder) expanderFor(x shell.Expander, w parser.Word) shell.Expander {
	if !b.isGated() {
		return x
	}
	f := w.Text.File()
	switch {
	case !b.ownFile(f):
		x.Lookup = nil
	case x.Mode&shell.NoQuotes == 0:
		x.Escape = b.current.Dockerfile.File.EscapeOf(f)
	}
	return x
}

// lowerMapped records that the plain instruction has the values of expressions such as
// ${ARCH:@uname} in the word w. The parameter res is the expansion of w.
func (b *builder) lowerMapped(c instructions.Command, w parser.Word, res shell.Expansion) {
	if len(res.Mapped) == 0 {
		return
	}
	l, escape := b.lowering(c.Syntax()), b.Dockerfile.File.Escape
	if w.Value == w.Text.String() {
		for _, m := range res.Mapped {
			l.editWord(w.Text.Slice(m.Offset, m.End).Range(), literal(m.Value, m.Quoted, escape))
		}
		return
	}
	value := w.Value
	for i := len(res.Mapped) - 1; i >= 0; i-- {
		m := res.Mapped[i]
		value = value[:m.Offset] + literal(m.Value, m.Quoted, escape) + value[m.End:]
	}
	l.editWord(w.Text.Range(), asWritten(c, w, value))
}

// lowerReplaced lowers the default of an ARG whose value is a build argument. The plain
// Dockerfile then also works without the build argument, unless the default is an error.
func (b *builder) lowerReplaced(c instructions.Command, decl *instructions.ArgDecl, env shell.Env) {
	if !b.isGated() || decl.Default == nil {
		return
	}
	if res, d := expandWord(b.expanderFor(b.current.expand, *decl.Default), *decl.Default, env); d == nil {
		b.lowerMapped(c, *decl.Default, res)
	}
}

// asWritten returns the text of a word with the given value: a JSON string if the word is one.
func asWritten(c instructions.Command, w parser.Word, value string) string {
	if _, isArray := c.Syntax().Args.(*parser.JSON); isArray && strings.HasPrefix(w.Text.String(), `"`) {
		return jsonText(value)
	}
	return value
}

// jsonText returns a value as JSON, without escapes for HTML.
func jsonText(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // strings always encode
	return strings.TrimSuffix(b.String(), "\n")
}

// literal returns a text that expands to the value v. The parameter quoted is true if the text
// is in double quotes.
func literal(v string, quoted bool, escape byte) string {
	var b strings.Builder
	for len(v) > 0 {
		c, n := utf8.DecodeRuneInString(v)
		if c == '$' || c == '"' || c == rune(escape) || !quoted && (c == '\'' || unicode.IsSpace(c)) {
			b.WriteByte(escape)
		}
		b.WriteString(v[:n])
		v = v[n:]
	}
	return b.String()
}

// quotedLiteral returns a text that expands to the value v, in double quotes if v is not simple.
func quotedLiteral(v string, escape byte) string {
	if v != "" && strings.Trim(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@%+=,-") == "" {
		return v
	}
	return `"` + literal(v, true, escape) + `"`
}

// oneLine sets Native if a value cannot be written in a plain Dockerfile, because it has
// several lines.
func (l *Lowering) oneLine(at source.Range, name, value string) {
	if strings.ContainsAny(value, "\r\n") {
		l.Native = diag.Errorf(at, "the value of %s has several lines, which cannot be said in a plain Dockerfile", name)
	}
}
