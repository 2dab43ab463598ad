package parser

import (
	"bytes"
	"strings"
	"unicode"

	"slipway/source"
)

// bom is the byte order mark. It is no part of the first line.
const bom = "\xEF\xBB\xBF"

// logical is a logical line and how it is written.
type logical struct {
	text source.Text
	gaps []source.Range // runs of lines without content in it
	end  int            // offset behind its last line
}

// logicalLine joins the lines from first on, as BuildKit does: continuation
// characters, comments and empty lines go; white space goes at the start of the
// first line only. A line that is continued ends after the line last at the
// latest, the end of the file.
func (p *layout) logicalLine(first, last int) logical {
	b := source.NewBuilder(p.file)
	var l logical
	for n := first; n <= last; n++ {
		line := p.file.LineRange(n, n)
		l.end = line.End
		start, end := content(line)
		s := p.file.Bytes[start:end]
		token := bytes.TrimLeftFunc(s, unicode.IsSpace)
		switch {
		case n == first:
			start, s = end-len(token), token
		case len(token) == 0:
			l.gap(line)
			continue
		case token[0] == '#':
			continue
		}
		length, more := continued(s, p.escape)
		b.Add(start, start+length)
		if !more {
			break
		}
	}
	l.text = b.Text()
	return l
}

// gap adds a line to the gaps. Lines that follow each other are one.
func (l *logical) gap(line source.Range) {
	if n := len(l.gaps); n > 0 && l.gaps[n-1].End == line.Start {
		l.gaps[n-1].End = line.End
		return
	}
	l.gaps = append(l.gaps, line)
}

// content returns where a line of the file stands without its end and without
// the byte order mark.
func content(line source.Range) (start, end int) {
	s := line.File.Bytes[line.Start:line.End]
	if line.Start == 0 {
		s = bytes.TrimPrefix(s, []byte(bom))
	}
	start = line.End - len(s)
	n := len(s)
	for n > 0 && (s[n-1] == '\n' || s[n-1] == '\r') {
		n--
	}
	return start, start + n
}

// contentText returns what content tells the place of.
func contentText(line source.Range) source.Text {
	line.Start, line.End = content(line)
	return line.Text()
}

// continued tells whether a line goes on, and how long it is without the escape
// character that says so and the blanks behind it.
//
// Upstream: an escape character before the last one hinders that, even if it
// is escaped itself.
func continued(s []byte, escape byte) (int, bool) {
	i := len(s)
	for i > 0 && (s[i-1] == ' ' || s[i-1] == '\t') {
		i--
	}
	if i == 0 || s[i-1] != escape || i > 1 && s[i-2] == escape {
		return len(s), false
	}
	return i - 1, true
}

// trimLeft removes white space as Unicode has it.
func trimLeft(t source.Text) source.Text {
	n := t.Len()
	return t.Slice(n-len(strings.TrimLeftFunc(t.String(), unicode.IsSpace)), n)
}

// trim removes white space as Unicode has it at both ends.
func trim(t source.Text) source.Text {
	t = trimLeft(t)
	return t.Slice(0, len(strings.TrimRightFunc(t.String(), unicode.IsSpace)))
}
