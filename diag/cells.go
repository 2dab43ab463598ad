package diag

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"

	"slipway/source"
)

// tabStop is the distance between tab stops in an excerpt, in columns.
const tabStop = 8

// cell is one character of a line in printable form.
type cell struct {
	text       string
	width      int // the width in columns; 0 for combining marks
	start, end int // byte offsets in the line
}

// cells splits a line into characters in printable form. It replaces tabs with spaces and
// spells out unprintable characters, so that the line cannot move the cursor or hide
// text.
func cells(line string) []cell {
	list := make([]cell, 0, len(line))
	column := 0
	for i := 0; i < len(line); {
		r, n := utf8.DecodeRuneInString(line[i:])
		c := cell{start: i, end: i + n}
		if r == '\t' {
			c.width = tabStop - column%tabStop
			c.text = strings.Repeat(" ", c.width)
		} else {
			c.text, c.width = printableRune(r, line[i:i+n])
		}
		column += c.width
		list = append(list, c)
		i += n
	}
	return list
}

// printableRune returns the printable form of the rune r and its width in columns. raw
// holds the bytes of the rune in the file.
func printableRune(r rune, raw string) (string, int) {
	switch {
	case r == utf8.RuneError && len(raw) == 1:
		return fmt.Sprintf("<%02X>", raw[0]), 4
	case r < ' ':
		return string(rune(0x2400) + r), 1 // the Control Pictures block
	case r == 0x7F:
		return "\u2421", 1
	case !unicode.IsPrint(r):
		s := fmt.Sprintf("<U+%04X>", r)
		return s, len(s)
	case unicode.In(r, unicode.Mn, unicode.Me):
		return raw, 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return raw, 2
	}
	return raw, 1
}

// Line returns a line of text in printable form. Tabs become spaces, and unprintable
// characters are spelled out, so that the line cannot control a terminal.
func Line(line string) string {
	if !strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) {
		return line
	}
	var b strings.Builder
	for _, c := range cells(line) {
		b.WriteString(c.text)
	}
	return b.String()
}

// Block converts several lines of text to printable form, like [Line], but preserves the
// line ends.
func Block(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = Line(line)
	}
	return strings.Join(lines, "\n")
}

// escapeText returns s with all unprintable characters spelled out, including tabs and
// line ends.
func escapeText(s string) string {
	var b strings.Builder
	for i, r := range s {
		n := utf8.RuneLen(r)
		if r == utf8.RuneError {
			_, n = utf8.DecodeRuneInString(s[i:])
		}
		text, _ := printableRune(r, s[i:i+n])
		b.WriteString(text)
	}
	return b.String()
}

// column returns the column of the character at offset, counted in characters from 1. A
// combining mark belongs to the character before it. A byte order mark at the start of
// the file does not count.
func column(f *source.File, offset int) int {
	line := f.Position(offset).Line
	start, text := content(f, line)
	offset -= start
	n := 0
	for i := 0; i < len(text) && i <= offset; {
		r, size := utf8.DecodeRuneInString(text[i:])
		if n == 0 || !unicode.In(r, unicode.Mn, unicode.Me) {
			n++
		}
		i += size
	}
	if offset >= len(text) {
		return n + 1 + offset - len(text)
	}
	return max(n, 1)
}

// content returns the text of a line without its line end, and the offset of this text in the
// file. A byte order mark at the start of the file is not part of the text.
func content(f *source.File, line int) (start int, text string) {
	start, text = f.LineStart(line), f.Line(line)
	if rest, ok := strings.CutPrefix(text, "\ufeff"); ok && start == 0 {
		return len(text) - len(rest), rest
	}
	return start, text
}

// totalWidth returns the width of all cells in columns.
func totalWidth(list []cell) int {
	n := 0
	for _, c := range list {
		n += c.width
	}
	return n
}
