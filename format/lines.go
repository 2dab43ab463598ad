package format

import (
	"bytes"
	"strings"
	"unicode"

	"slipway/parser"
)

// instruction lays out the instruction with the given index. The bodies of its heredocs stay,
// unless they are scripts and the options select them.
func (p *printer) instruction(in *parser.Instruction, index int) {
	parts := p.partsOf(in)
	head := in.Head()
	start := max(head.Start, p.textStart())
	if len(parts) == 0 || !onlySpace(p.src[start:parts[0].start]) {
		return // an empty continued line precedes the keyword
	}
	p.replace(start, parts[0].start, "")
	for i, a := range parts {
		if i > 0 {
			p.separator(parts[i-1].end, a)
		}
		switch text, ok := p.scriptText(in, index, parts, i); {
		case ok:
			p.replace(a.start, a.end, text)
		case a.text != "":
			p.replace(a.start, a.end, a.text)
		default:
			p.verbatim(a.start, a.end)
		}
	}
	p.tail(parts[len(parts)-1].end, head.End)
	if p.opt.Shell {
		p.bodies(in, index)
	}
}

// scriptText returns the layout of the part with the index i of an instruction. The result ok is
// false if the part is not a script, or stays as it is.
func (p *printer) scriptText(in *parser.Instruction, index int, parts []part, i int) (text string, ok bool) {
	a, shell := parts[i], p.shells[index]
	if !p.opt.Shell || !a.script || !shell.ok || len(in.Heredocs) > 0 {
		return "", false
	}
	text, err := p.script(a, parts[i-1].end, shell)
	if err != nil {
		p.refused[index] = err
		return "", false
	}
	p.scripts[index] = true
	return text, true
}

// bodies lays out the bodies of heredocs that are scripts.
func (p *printer) bodies(in *parser.Instruction, index int) {
	for _, h := range in.Heredocs {
		text, ok, err := p.body(in, h, p.shells[index])
		switch {
		case err != nil:
			p.refused[index] = err
		case ok:
			p.replace(h.Body.Start, h.Body.End, text)
			p.scripts[index] = true
		}
	}
}

// onlySpace reports whether text consists of white space without line ends.
func onlySpace(text []byte) bool {
	return bytes.IndexByte(text, '\n') < 0 && len(bytes.TrimFunc(text, unicode.IsSpace)) == 0
}

// separator lays out the white space between the offset start, where a part ends, and the next
// part. A line break stays a line break. Text other than blanks and continuations stays.
func (p *printer) separator(start int, next part) {
	text := p.src[start:next.start]
	switch {
	case bytes.IndexByte(text, '\n') >= 0:
		broken, ok := p.brokenLine(text)
		if !ok {
			p.verbatim(start, next.start)
			return
		}
		p.replace(start, next.start, broken)
	case string(bytes.Trim(text, " \t")) == "--": // ends the flags
		p.replace(start, next.start, " -- ")
	case next.tight && onlyBlanks(text):
		p.replace(start, next.start, "")
	case onlyBlanks(text) && (len(text) > 0 || isPunctuation(p.src[start-1])):
		p.replace(start, next.start, " ")
	}
}

// isPunctuation reports whether c is a token of a JSON array that may precede a string without
// white space.
func isPunctuation(c byte) bool { return c == ',' }

// brokenLine returns the layout of a separator that contains line ends: the continuation, the
// comments, and the indentation of the next line. It omits empty lines. The result ok is false
// if the separator contains anything else.
func (p *printer) brokenLine(text []byte) (layout string, ok bool) {
	var b strings.Builder
	b.WriteByte(' ')
	b.WriteByte(p.file.Escape)
	b.WriteString(p.lineEnd)
	lines := bytes.SplitAfter(text, []byte{'\n'})
	last := len(lines) - 1
	for i, line := range lines[:last] {
		line = bytes.TrimRight(line, "\r\n")
		token := bytes.TrimLeftFunc(line, unicode.IsSpace)
		switch {
		case i > 0 && len(token) > 0 && token[0] == '#':
			b.WriteString(p.opt.Indent)
			b.Write(token[:trimBlanks(token, 0, len(token))])
			b.WriteString(p.lineEnd)
		case i > 0 && len(token) == 0:
		case string(bytes.Trim(line, " \t")) != string(p.file.Escape):
			return "", false
		}
	}
	if !onlyBlanks(lines[last]) {
		return "", false
	}
	b.WriteString(p.opt.Indent)
	return b.String(), true
}

// verbatim lays out the bytes [start, end) of an instruction, whose white space has a meaning. It
// changes only line ends, blanks after continuations, empty lines, and the indentation of
// comments.
func (p *printer) verbatim(start, end int) { p.verbatimLines(start, end, end+1) }

// verbatimLines lays out the bytes [start, end) like verbatim. A comment gets the indentation of
// a later line that starts before the offset limit.
func (p *printer) verbatimLines(start, end, limit int) {
	for first := true; start < end; first = false {
		_, text, next := p.line(start)
		if next > end || p.src[next-1] != '\n' {
			rest := start // the rest is not a whole line
			if first || !onlySpace(p.src[start:text]) {
				rest = trimBlanks(p.src, start, text)
			}
			if limit == end {
				p.replace(rest, end, "") // the end of the file
			}
			return
		}
		token := bytes.TrimLeftFunc(p.src[start:text], unicode.IsSpace)
		switch {
		case !first && len(token) == 0:
			p.replace(start, next, "")
		case !first && token[0] == '#':
			at := text - len(token)
			if indent, ok := p.indentAfter(next, limit); ok {
				p.replace(start, at, indent)
			}
			p.replace(trimBlanks(p.src, at, text), next, p.lineEnd)
		default:
			at := p.continuation(start, text)
			if limit == end {
				at = trimBlanks(p.src, start, at) // no part of the instruction follows
			}
			p.replace(at, next, p.lineEnd)
		}
		start = next
	}
}

// continuation returns the end of the text of a line without blanks after the escape character.
// If the line does not end with the escape character, it returns end.
func (p *printer) continuation(start, end int) int {
	if at := trimBlanks(p.src, start, end); at > start && p.src[at-1] == p.file.Escape {
		return at
	}
	return end
}

// indentAfter returns the indentation of the next line with text of an instruction. It looks at
// the lines that start at or after the offset start and before limit.
func (p *printer) indentAfter(start, limit int) (string, bool) {
	for start < limit && start < len(p.src) {
		_, text, next := p.line(start)
		token := bytes.TrimLeftFunc(p.src[start:text], unicode.IsSpace)
		if len(token) > 0 && token[0] != '#' {
			return string(p.src[start : text-len(token)]), true
		}
		start = next
	}
	return "", false
}

// tail lays out the bytes after the last part of an instruction. If the last line of a file is
// continued, they contain the continuation. They stay if they separate an escape character from the
// line end, such as a CR before a blank, because without them the line would be continued.
func (p *printer) tail(start, end int) {
	text := p.src[start:end]
	if start > 0 && p.src[start-1] == p.file.Escape {
		return
	}
	if len(bytes.Trim(text, " \t\r\n")) > 0 || bytes.Count(text, []byte{'\n'}) > 1 {
		p.verbatimLines(start, end, end)
		return
	}
	p.replace(start, end, p.endOf(end))
}
