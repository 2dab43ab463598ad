package instructions

import (
	"encoding/csv"
	"errors"
	"strings"

	"github.com/tonistiigi/go-csvvalue"

	"slipway/parser"
	"slipway/source"
)

// field is one field of a flag whose value is a CSV record, such as
// --mount=type=cache,target=/x.
type field struct {
	text  string // the field without CSV quotes
	value valueMap
	start int // index of text in the flag's value; -1 if CSV quotes make it ambiguous
}

// fieldsError is the error for a flag whose value is not a valid CSV record.
type fieldsError struct {
	cause    error
	location source.Range
}

// fields splits the value of a flag at its commas, in CSV syntax.
//
//	record = field { "," field } .
//	field = text | '"' { character | '""' } '"' .
func fields(f *parser.Flag) ([]field, *fieldsError) {
	p := newValueMap(f)
	texts, err := csvvalue.Fields(f.Value, nil)
	if err != nil {
		e := &fieldsError{cause: err, location: f.ValueRange}
		if pe := (*csv.ParseError)(nil); errors.As(err, &pe) && 0 < pe.Column && pe.Column <= len(f.Value) {
			e.location = p.slice(pe.Column-1, pe.Column)
		}
		return nil, e
	}
	starts := fieldStarts(f.Value)
	list := make([]field, len(texts))
	for i, t := range texts {
		list[i] = field{text: t, value: p, start: -1}
		if len(starts) == len(texts) && strings.HasPrefix(f.Value[starts[i]:], t) {
			list[i].start = starts[i]
		}
	}
	return list, nil
}

// rangeOf returns the source range of the bytes [i, j) in the field. If CSV quotes make
// the position ambiguous, it returns the range of the whole value.
func (f field) rangeOf(i, j int) source.Range {
	if f.start < 0 {
		return f.value.flag.ValueRange
	}
	return f.value.slice(f.start+i, f.start+j)
}

// fieldStarts returns the indexes in v, the value of a flag, at which the texts of the
// fields start. For a quoted field, that is the index after the opening quote.
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

// quotedEnd returns the index after the closing quote of a quoted field. The parameter v is
// the value of the flag that contains the field, and i is the index of the first byte after
// the opening quote.
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

// valueMap maps offsets in the value of a flag to the source text of the flag.
type valueMap struct {
	flag    *parser.Flag
	offsets []int // for each byte of the value, its index in the flag's text; nil if unknown
}

// newValueMap maps the offsets in the value of the flag f to offsets in the source text of
// f. Because newValueMap does not know the escape character of the file, it tries \ and `.
// It uses the character with which the unescaped source text equals the value of the flag.
func newValueMap(f *parser.Flag) valueMap {
	for _, escape := range []byte{'\\', '`'} {
		if raw, from := unquote(f.Text.String(), escape); raw == f.Raw {
			return valueMap{flag: f, offsets: from[len(raw)-len(f.Value):]}
		}
	}
	return valueMap{flag: f}
}

// unquote removes quotes and escapes from s, the text of a flag, in the same way as
// BuildKit's parser. For each byte of the result, it also returns the index in s of the
// byte's origin.
//
// Upstream: each byte is treated as a character, so each byte above 127 becomes two bytes.
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

// slice returns the source range of the bytes [i, j) in the value of the flag.
func (p valueMap) slice(i, j int) source.Range {
	switch {
	case len(p.offsets) == 0:
		return p.flag.ValueRange
	case i < j:
		return p.flag.Text.Slice(p.offsets[i], p.offsets[j-1]+1).Range()
	case i == 0:
		r := p.slice(0, 1)
		return source.Range{File: r.File, Start: r.Start, End: r.Start}
	}
	r := p.slice(i-1, i) // the empty range follows byte i-1, even at the end of a line
	return source.Range{File: r.File, Start: r.End, End: r.End}
}
