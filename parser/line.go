package parser

import (
	"bytes"
	"strings"
	"unicode"

	"slipway/source"
)

// bom is the UTF-8 byte order mark. It is not part of the first line of a file.
const bom = "\xEF\xBB\xBF"

// logicalLine is an instruction with its continued lines joined. It also records which of
// the lines are empty, and where the last line ends.
type logicalLine struct {
	text source.Text
	gaps []source.Range // runs of empty lines inside the instruction
	end  int            // the offset in the file after the last line
}

// logicalLine joins the lines of an instruction in the same way as BuildKit. The parameters are
// the numbers of the first and the last line of the instruction in the file. The joined line
// lacks continuation characters, comments, empty lines, and the white space at the start of the
// first line. It ends after the last line, even if that line is continued. The number of the
// last line must not exceed the number of lines in the file.
func (p *layout) logicalLine(first, last int) logicalLine {
	b := source.NewBuilder(p.file)
	var l logicalLine
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
		length, more := cutContinuation(s, p.escape)
		b.Add(start, start+length)
		if !more {
			break
		}
	}
	l.text = b.Text()
	return l
}

// gap adds an empty line to l.gaps, the runs of empty lines inside the instruction. It
// extends the last run if the line directly follows that run.
func (l *logicalLine) gap(line source.Range) {
	if n := len(l.gaps); n > 0 && l.gaps[n-1].End == line.Start {
		l.gaps[n-1].End = line.End
		return
	}
	l.gaps = append(l.gaps, line)
}

// content returns the start and end offsets of a line without its line end and byte order
// mark.
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

// contentText returns the text of a line without its line end and byte order
// mark.
func contentText(line source.Range) source.Text {
	line.Start, line.End = content(line)
	return line.Text()
}

// cutContinuation reports whether a line ends with the escape character and is therefore
// continued. It also returns the length of the line without the escape character and the blanks
// after it.
//
// Upstream: two escape characters at the end do not continue the line, even if the first of
// them is itself escaped.
func cutContinuation(s []byte, escape byte) (int, bool) {
	i := len(s)
	for i > 0 && (s[i-1] == ' ' || s[i-1] == '\t') {
		i--
	}
	if i == 0 || s[i-1] != escape || i > 1 && s[i-2] == escape {
		return len(s), false
	}
	return i - 1, true
}

// trimLeft removes leading white space, as defined by Unicode.
func trimLeft(t source.Text) source.Text {
	n := t.Len()
	return t.Slice(n-len(strings.TrimLeftFunc(t.String(), unicode.IsSpace)), n)
}

// trim removes leading and trailing white space, as defined by Unicode.
func trim(t source.Text) source.Text {
	t = trimLeft(t)
	return t.Slice(0, len(strings.TrimRightFunc(t.String(), unicode.IsSpace)))
}
