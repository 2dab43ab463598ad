package instructions

import (
	"encoding/csv"
	"errors"
	"strings"

	"github.com/tonistiigi/go-csvvalue"

	"slipway/parser"
	"slipway/source"
)

// field is one field of a flag whose value is a CSV record.
type field struct {
	text  string // without CSV quotes
	place place
	start int // index of text in the value; -1 if unknown because of quotes
}

// fieldsError reports a value that is not a CSV record.
type fieldsError struct {
	cause error
	at    source.Range
}

// fields splits the value of a flag at its commas.
//
//	record = field { "," field } .
//	field = text | '"' { character | '""' } '"' .
func fields(f *parser.Flag) ([]field, *fieldsError) {
	p := locate(f)
	texts, err := csvvalue.Fields(f.Value, nil)
	if err != nil {
		e := &fieldsError{cause: err, at: f.ValueRange}
		if pe := (*csv.ParseError)(nil); errors.As(err, &pe) && 0 < pe.Column && pe.Column <= len(f.Value) {
			e.at = p.slice(pe.Column-1, pe.Column)
		}
		return nil, e
	}
	starts := fieldStarts(f.Value)
	list := make([]field, len(texts))
	for i, t := range texts {
		list[i] = field{text: t, place: p, start: -1}
		if len(starts) == len(texts) && strings.HasPrefix(f.Value[starts[i]:], t) {
			list[i].start = starts[i]
		}
	}
	return list, nil
}

// at returns the range of the bytes [i, j) of the field, or of the whole value
// if its quotes make the position ambiguous.
func (f field) at(i, j int) source.Range {
	if f.start < 0 {
		return f.place.flag.ValueRange
	}
	return f.place.slice(f.start+i, f.start+j)
}

// fieldStarts returns the start of each field of a CSV record, after its
// opening quote if it has one.
func fieldStarts(v string) []int {
	var list []int
	for i := 0; ; i++ {
		if strings.HasPrefix(v[i:], `"`) {
			list = append(list, i+1)
			i = quotedEnd(v, i+1)
		} else {
			list = append(list, i)
			if n := strings.IndexByte(v[i:], ','); n >= 0 {
				i += n
			} else {
				i = len(v)
			}
		}
		if i >= len(v) {
			return list
		}
	}
}

// quotedEnd returns the index after the quote that closes the field starting at
// i.
func quotedEnd(v string, i int) int {
	for i < len(v) {
		switch {
		case v[i] != '"':
			i++
		case strings.HasPrefix(v[i+1:], `"`):
			i += 2
		default:
			return i + 1
		}
	}
	return i
}

// place maps offsets in the value of a flag to its source text.
type place struct {
	flag *parser.Flag
	from []int // index in the flag's text of each byte of the value; nil if unknown
}

// locate derives the mapping from the text of a flag to its value. The escape
// character of the file is not known at this point, so locate tries both: only
// one of them produces the value.
func locate(f *parser.Flag) place {
	for _, escape := range []byte{'\\', '`'} {
		if raw, from := unquote(f.Text.String(), escape); raw == f.Raw {
			return place{flag: f, from: from[len(raw)-len(f.Value):]}
		}
	}
	return place{flag: f}
}

// unquote removes quotes and escapes as BuildKit's parser does. It also returns
// the index in s of each byte of the result.
//
// Upstream: bytes are treated as characters, so each byte above 127 becomes two
// bytes.
func unquote(s string, escape byte) (string, []int) {
	var b strings.Builder
	var from []int
	var quote byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
			continue
		case quote != 0 && c == quote:
			quote = 0
			continue
		case c == escape:
			if i++; i == len(s) {
				continue
			}
		}
		for n, _ := b.WriteRune(rune(s[i])); n > 0; n-- {
			from = append(from, i)
		}
	}
	return b.String(), from
}

// slice returns the source range of the bytes [i, j) of the value.
func (p place) slice(i, j int) source.Range {
	switch {
	case len(p.from) == 0:
		return p.flag.ValueRange
	case i < j:
		return p.flag.Text.Slice(p.from[i], p.from[j-1]+1).Range()
	case i == 0:
		r := p.slice(0, 1)
		return source.Range{File: r.File, Start: r.Start, End: r.Start}
	}
	r := p.slice(i-1, i) // the position after it, even at the end of a line
	return source.Range{File: r.File, Start: r.End, End: r.End}
}
