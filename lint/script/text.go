package script

import (
	"strings"
	"unicode/utf8"

	"mvdan.cc/sh/v3/syntax"

	"slipway/parser"
	"slipway/source"
)

// positions maps the bytes of a script to offsets in a file. [source.Text] implements it.
type positions interface {
	// Offset returns the offset of the byte at index i. i is less than the length of the
	// script.
	Offset(i int) int
}

// offsets is the positions of a script that has an offset for each of its bytes.
type offsets []int

// Offset implements positions.
func (o offsets) Offset(i int) int { return o[i] }

// builder assembles the text of a script from decoded pieces, with the offset of each byte.
type builder struct {
	text strings.Builder
	at   offsets
}

// add appends s, whose bytes all come from the byte at the given offset.
func (b *builder) add(s string, offset int) {
	b.text.WriteString(s)
	for range len(s) {
		b.at = append(b.at, offset)
	}
}

// addText appends a piece of a file unchanged.
func (b *builder) addText(t source.Text) {
	b.text.WriteString(t.String())
	for i := range t.Len() {
		b.at = append(b.at, t.Offset(i))
	}
}

// withBodies returns the text of a RUN with heredocs as the shell receives it: the command
// line, followed by each heredoc and its terminator.
func withBodies(line source.Text, docs []parser.Heredoc) (string, positions) {
	var b builder
	b.addText(line)
	for _, h := range docs {
		b.add("\n", h.Body.Start)
		b.addText(h.Body.Text())
		// The terminator of <<-NAME may have leading tabs, which the shell does not get.
		end := h.End.Text()
		at := max(strings.Index(end.String(), h.Name), 0)
		b.addText(end.Slice(at, min(at+len(h.Name), end.Len())))
	}
	return b.text.String(), b.at
}

// body returns the text of a heredoc. If the heredoc starts with <<-, the text has no leading
// tabs.
func body(h parser.Heredoc) (string, positions) {
	t := h.Body.Text()
	if !h.Chomp {
		return t.String(), t
	}
	var b builder
	at := 0
	for line := range strings.SplitAfterSeq(t.String(), "\n") {
		tabs := len(line) - len(strings.TrimLeft(line, "\t"))
		b.addText(t.Slice(at+tabs, at+len(line)))
		at += len(line)
	}
	return b.text.String(), b.at
}

// decodeJSON returns the value of a JSON string as written, with its quotes. ok is false if the
// bytes of the value cannot be mapped to the text.
func decodeJSON(w parser.Word) (text string, at positions, ok bool) {
	s := w.Text.String()
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", nil, false
	}
	var b builder
	end := len(s) - 1
	for i := 1; i < end; {
		if s[i] != '\\' {
			n := 1
			if s[i] >= utf8.RuneSelf {
				_, n = utf8.DecodeRuneInString(s[i:end])
			}
			b.addText(w.Text.Slice(i, i+n))
			i += n
			continue
		}
		if i+1 >= end {
			return "", nil, false
		}
		short := strings.IndexByte(`"\/bfnrt`, s[i+1])
		if short < 0 {
			return "", nil, false // \u: rare, and not worth a table of surrogates
		}
		b.add("\"\\/\b\f\n\r\t"[short:short+1], w.Text.Offset(i))
		i += 2
	}
	return b.text.String(), b.at, b.text.String() == w.Value
}

// decodeWord returns the static value of a word in the script s, with the position of each
// byte. ok is false if the word contains an expansion.
func (s *Script) decodeWord(w *syntax.Word) (text string, at positions, ok bool) {
	var b builder
	ok = true
	for _, part := range w.Parts {
		switch part := part.(type) {
		case *syntax.Lit:
			s.decodeLit(&b, part, false)
		case *syntax.SglQuoted:
			if part.Dollar {
				return "", nil, false
			}
			s.copyRaw(&b, int(part.Left.Offset())+1, part.Value)
		case *syntax.DblQuoted:
			for _, inner := range part.Parts {
				lit, isLit := inner.(*syntax.Lit)
				if !isLit {
					return "", nil, false
				}
				s.decodeLit(&b, lit, true)
			}
		default:
			return "", nil, false
		}
	}
	return b.text.String(), b.at, ok
}

// copyRaw appends value, which starts at index start of the script.
func (s *Script) copyRaw(b *builder, start int, value string) {
	for i := range len(value) {
		b.add(value[i:i+1], s.offset(start+i))
	}
}

// decodeLit appends a literal without its escape characters. The parameter quoted reports
// whether the literal is in double quotes.
func (s *Script) decodeLit(b *builder, lit *syntax.Lit, quoted bool) {
	raw := s.Text[min(int(lit.ValuePos.Offset()), len(s.Text)):min(int(lit.ValueEnd.Offset()), len(s.Text))]
	start := int(lit.ValuePos.Offset())
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' || i+1 == len(raw) {
			b.add(raw[i:i+1], s.offset(start+i))
			continue
		}
		next := raw[i+1]
		switch {
		case next == '\n':
			i++
		case !quoted || strings.IndexByte("$`\"\\", next) >= 0:
			i++
			b.add(raw[i:i+1], s.offset(start+i))
		default:
			b.add(raw[i:i+1], s.offset(start+i))
		}
	}
}
