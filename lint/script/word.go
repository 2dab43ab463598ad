package script

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"slipway/source"
)

// Word is a word of a command. If Static is false, the word is opaque: Value is the part
// before the first expansion whose value is not certain.
type Word struct {
	Value  string
	Static bool
	Quoted bool // whether the whole word is quoted, so that it is a single argument
	Range  source.Range
	Node   *syntax.Word // nil for a word of an exec form
}

// MayHoldOptions reports whether the value of an opaque word may contain options or several
// arguments.
func (w Word) MayHoldOptions() bool {
	return !w.Static && (w.Value == "" || strings.HasPrefix(w.Value, "-") && !strings.Contains(w.Value, "="))
}

// join returns the value of a word without splitting it at white space, as in an assignment.
func (w *walker) join(word *syntax.Word, vs *vars) Word {
	out := Word{Static: true, Range: w.script.NodeRange(word), Node: word}
	var b strings.Builder
	for _, part := range word.Parts {
		text, ok := w.part(part, vs, false)
		b.WriteString(text)
		if !ok {
			out.Static = false
			break
		}
	}
	out.Value = b.String()
	return out
}

// fields appends the arguments that a word yields. An unquoted variable with a certain value
// may yield several.
func (w *walker) fields(list []Word, word *syntax.Word, vs *vars) []Word {
	joined := w.join(word, vs)
	if len(word.Parts) == 1 {
		switch p := word.Parts[0].(type) {
		case *syntax.SglQuoted, *syntax.DblQuoted:
			joined.Quoted = true
		case *syntax.ParamExp:
			if joined.Static {
				for f := range strings.FieldsSeq(joined.Value) {
					list = append(list, Word{Value: f, Static: true, Range: joined.Range, Node: word})
				}
				return list
			}
		case *syntax.Lit:
			if p.Value == "" {
				return list
			}
		}
	}
	return append(list, joined)
}

// part returns the value of a part of a word. ok is false if the value is not certain. text is
// then the part before the first expansion.
func (w *walker) part(part syntax.WordPart, vs *vars, quoted bool) (text string, ok bool) {
	switch p := part.(type) {
	case *syntax.Lit:
		return unescape(p.Value, quoted), true
	case *syntax.SglQuoted:
		return p.Value, !p.Dollar || !strings.Contains(p.Value, `\`)
	case *syntax.DblQuoted:
		var b strings.Builder
		for _, inner := range p.Parts {
			text, ok := w.part(inner, vs, true)
			b.WriteString(text)
			if !ok {
				return b.String(), false
			}
		}
		return b.String(), true
	case *syntax.ParamExp:
		if simple(p) {
			value, ok := w.value(p.Param.Value, vs)
			if !ok {
				value = ""
			}
			return value, ok
		}
	}
	return "", false
}

// simple reports whether a parameter expansion has the form $NAME or ${NAME}.
func simple(p *syntax.ParamExp) bool {
	return p.Param != nil && !p.Excl && !p.Length && !p.Width && !p.IsSet && p.Flags == nil && p.Index == nil &&
		p.Slice == nil && p.Repl == nil && p.Names == 0 && p.Exp == nil && len(p.Modifiers) == 0 && p.NestedParam == nil
}

// unescape removes the escape characters of a literal. The parameter quoted reports whether
// the literal is in double quotes.
func unescape(s string, quoted bool) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			switch next := s[i+1]; {
			case next == '\n':
				i++
				continue
			case !quoted || strings.IndexByte("$`\"\\", next) >= 0:
				i++
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
