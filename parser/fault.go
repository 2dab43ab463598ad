package parser

import (
	"errors"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"slipway/diag"
	"slipway/shell"
	"slipway/source"
)

// maxLine is the maximum length of a line, without its line end, that
// BuildKit's parser accepts.
const maxLine = 65535

// Error texts of BuildKit's parser, which has no error types to distinguish.
const (
	noInstructions = "file with no instructions"
	lineTooLong    = "dockerfile line greater than max allowed size of "
	notTerminated  = "unterminated heredoc"
	noEquals       = "Syntax error - can't find = in "
	notStrings     = "when using JSON array syntax, arrays must be comprised of strings only"
	badHeredoc     = "failed to process "
)

// fault converts an error of BuildKit's parser to a diagnostic. The error only
// has line numbers, so fault finds the offending part of those lines.
func (p *layout) fault(err error) *diag.Diagnostic {
	msg := err.Error()
	if p.badDirective != nil && p.badDirective.Message == msg {
		// Upstream: reports the line before the directive.
		return p.badDirective
	}
	first, last := 0, 0
	var le *parser.LocationError
	if errors.As(err, &le) && len(le.Locations) > 0 && len(le.Locations[0]) > 0 {
		lines := le.Locations[0]
		first, last = p.lines.original(lines[0].Start.Line), p.lines.original(lines[len(lines)-1].End.Line)
	}
	if msg == noInstructions || strings.HasPrefix(msg, lineTooLong) {
		// Upstream: reports the last line it could read or, inside a continued
		// instruction, the line after it.
		return p.atEnd(msg, last)
	}
	context := p.file.LineRange(max(first, 1), max(last, 1))
	l := p.logicalLine(max(first, 1), max(last, 1))
	if msg == notTerminated {
		if h, line, ok := p.unterminated(l); ok {
			return p.nearEnd(diag.Errorf(h.Word.Range(), "%s", msg).In(context), h, line)
		}
	}
	return diag.Errorf(p.tight(l.text, msg, 0), "%s", msg).In(context)
}

// atEnd reports an error after the given line: the next line is too long, or
// the file ends.
func (p *layout) atEnd(msg string, line int) *diag.Diagnostic {
	for n := line; n <= line+1; n++ {
		context := p.file.LineRange(n, n)
		if context.End-context.Start > maxLine {
			tight := context
			tight.Start += maxLine
			return diag.Errorf(tight, "%s", msg).In(context)
		}
	}
	context := p.file.LineRange(max(line, 1), max(line, 1))
	t := contentText(context)
	return diag.Errorf(t.Slice(t.Len(), t.Len()).Range(), "%s", msg).In(context)
}

// tight returns the part of a logical line that caused an error, judging by the
// error's text. If the text is inconclusive, it returns the arguments.
func (p *layout) tight(line source.Text, msg string, depth int) source.Range {
	if strings.HasPrefix(msg, badHeredoc) {
		if t, ok := badHeredocWord(line); ok {
			return t.Range()
		}
	}
	c := p.splitCommand(line)
	rest := c.rest
	switch formOf(c.keyword.String()) {
	case formSub:
		if rest.Len() > 0 && depth < maxDepth {
			return p.tight(rest, msg, depth+1)
		}
	case formTyped:
		_, rest = cutType(rest)
		return notString(rest).Range()
	case formCommand, formList:
		if msg == notStrings {
			return notString(rest).Range()
		}
	case formPairs:
		if strings.HasPrefix(msg, noEquals) {
			return p.withoutEquals(rest).Range()
		}
	}
	if rest.Len() == 0 {
		return trim(line).Range()
	}
	return rest.Range()
}

// notString returns the first element of a JSON array that is not a string.
func notString(t source.Text) source.Text {
	for _, e := range jsonElements(t) {
		if e.String()[0] != '"' {
			return e
		}
	}
	return t
}

// withoutEquals returns the first word that has no =.
func (p *layout) withoutEquals(t source.Text) source.Text {
	for _, w := range p.quoted(t) {
		if !strings.Contains(w.String(), "=") {
			return w
		}
	}
	return t
}

// badHeredocWord returns the first word that looks like a heredoc but does not
// parse.
func badHeredocWord(line source.Text) (source.Text, bool) {
	fields, _ := shell.Split(line.String())
	for _, f := range fields {
		if _, err := parser.ParseHeredoc(f.Text); err != nil {
			return line.Slice(f.Start, f.End), true
		}
	}
	return source.Text{}, false
}
