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
	gaps []source.Range // lines without content in it
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
		t := p.content(line)
		token := trimLeft(t)
		switch {
		case n == first:
			t = token
		case token.Len() == 0:
			l.gaps = append(l.gaps, line)
			continue
		case token.String()[0] == '#':
			continue
		}
		length, more := continued(t.String(), p.escape)
		start := t.Offset(0)
		b.Add(start, start+length)
		if !more {
			break
		}
	}
	l.text = b.Text()
	return l
}

// content returns a line of the file without its end and without the byte
// order mark.
func (p *layout) content(line source.Range) source.Text {
	if line.Start == 0 && bytes.HasPrefix(p.file.Bytes, []byte(bom)) {
		line.Start = min(len(bom), line.End)
	}
	t := line.Text()
	return t.Slice(0, len(strings.TrimRight(t.String(), "\r\n")))
}

// continued tells whether a line goes on, and how long it is without the escape
// character that says so and the blanks behind it.
//
// Upstream: an escape character before the last one hinders that, even if it
// is escaped itself.
func continued(s string, escape byte) (int, bool) {
	i := len(strings.TrimRight(s, " \t"))
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
