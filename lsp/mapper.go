package lsp

import (
	"slices"
	"unicode/utf8"

	"slipway/source"
)

// Encodings of positions.
const (
	utf8Encoding  = "utf-8"
	utf16Encoding = "utf-16"
)

// mapper converts between offsets in a text and positions of the protocol. Lines of the protocol
// end with LF, CRLF or CR, unlike lines of Dockerfiles.
type mapper struct {
	text     []byte
	encoding string
	starts   []int // the offset of each line
}

func newMapper(text []byte, encoding string) *mapper {
	m := &mapper{text: text, encoding: encoding, starts: []int{0}}
	for i, c := range text {
		if c == '\n' || c == '\r' && (i+1 == len(text) || text[i+1] != '\n') {
			m.starts = append(m.starts, i+1)
		}
	}
	return m
}

// position returns the position of an offset. An offset inside of a character is rounded down.
func (m *mapper) position(offset int) position {
	offset = min(max(offset, 0), len(m.text))
	line, found := slices.BinarySearch(m.starts, offset)
	if !found {
		line--
	}
	n := 0
	for at := m.starts[line]; at < offset; {
		size, units := m.character(at)
		if at += size; at <= offset {
			n += units
		}
	}
	return position{line, n}
}

// offset returns the offset of a position. A position after the end of a line is its end.
func (m *mapper) offset(p position) int {
	switch {
	case p.Line < 0:
		return 0
	case p.Line >= len(m.starts):
		return len(m.text)
	}
	at, end := m.starts[p.Line], m.lineEnd(p.Line)
	for n := 0; at < end; {
		size, units := m.character(at)
		if n += units; n > p.Character {
			break
		}
		at += size
	}
	return at
}

// lineEnd returns the offset of the end of a line, before its line end.
func (m *mapper) lineEnd(line int) int {
	if line+1 == len(m.starts) {
		return len(m.text)
	}
	end := m.starts[line+1] - 1
	if end > m.starts[line] && m.text[end] == '\n' && m.text[end-1] == '\r' {
		end--
	}
	return end
}

// character returns the size of the character at an offset, in bytes and in the units of the
// encoding.
func (m *mapper) character(at int) (size, units int) {
	r, size := utf8.DecodeRune(m.text[at:])
	switch {
	case m.encoding == utf8Encoding:
		return size, size
	case r >= 0x10000:
		return size, 2
	}
	return size, 1
}

// textRange converts a range.
func (m *mapper) textRange(r source.Range) textRange {
	return textRange{m.position(r.Start), m.position(r.End)}
}
