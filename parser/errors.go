package parser

import (
	"errors"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"slipway/diag"
	"slipway/shell"
	"slipway/source"
)

// maxLine is the maximum length of a line that BuildKit's parser accepts, in bytes
// without the line end.
const maxLine = 65535

// The texts of errors from BuildKit's parser, which has no error types. A text that ends
// with a space is only the start of an error message.
const (
	msgNoInstructions = "file with no instructions"
	msgLineTooLong    = "dockerfile line greater than max allowed size of "
	msgUnterminated   = "unterminated heredoc"
	msgNoEquals       = "Syntax error - can't find = in "
	msgNotStrings     = "when using JSON array syntax, arrays must be comprised of strings only"
	msgBadHeredoc     = "failed to process "
)

// diagnose converts an error from BuildKit's parser to a diagnostic. BuildKit's error has
// only line numbers, so diagnose searches these lines for the invalid part.
func (p *layout) diagnose(err error) *diag.Diagnostic {
	msg := err.Error()
	if p.badDirective != nil && p.badDirective.Message == msg {
		// Upstream: the error has the line before the directive.
		return p.badDirective
	}
	first, last := 0, 0
	var le *parser.LocationError
	if errors.As(err, &le) && len(le.Locations) > 0 && len(le.Locations[0]) > 0 {
		lines := le.Locations[0]
		first, last = p.lines.fileLine(lines[0].Start.Line), p.lines.fileLine(lines[len(lines)-1].End.Line)
	}
	if msg == msgNoInstructions || strings.HasPrefix(msg, msgLineTooLong) {
		// Upstream: the error has the last line that the parser could read or, inside a
		// continued instruction, the line after it.
		return p.lineError(msg, last)
	}
	context := p.file.LineRange(max(first, 1), max(last, 1))
	l := p.logicalLine(max(first, 1), max(last, 1))
	if msg == msgUnterminated {
		if h, line, ok := p.unterminated(l); ok {
			return p.hintTerminator(diag.Errorf(h.Word.Range(), "%s", msg).In(context), h, line)
		}
	}
	return diag.Errorf(p.narrowRange(l.text, msg, 0), "%s", msg).In(context)
}

// lineError returns an error with the message msg. If the given line or the next one is
// too long, the error points at the excess bytes. Otherwise the error points at the end
// of the given line.
func (p *layout) lineError(msg string, line int) *diag.Diagnostic {
	for n := line; n <= line+1; n++ {
		context := p.file.LineRange(n, n)
		if context.End-context.Start > maxLine {
			excess := context
			excess.Start += maxLine
			return diag.Errorf(excess, "%s", msg).In(context)
		}
	}
	context := p.file.LineRange(max(line, 1), max(line, 1))
	t := contentText(context)
	return diag.Errorf(t.Slice(t.Len(), t.Len()).Range(), "%s", msg).In(context)
}

// narrowRange returns the range of the part of a logical line that caused the error msg.
// If msg does not show which part is invalid, it returns the range of the arguments. The
// parameter depth is the number of enclosing ONBUILDs.
func (p *layout) narrowRange(line source.Text, msg string, depth int) source.Range {
	if strings.HasPrefix(msg, msgBadHeredoc) {
		if t, ok := badHeredocWord(line); ok {
			return t.Range()
		}
	}
	c := p.splitCommand(line)
	rest := c.rest
	switch formOf(c.keyword.String()) {
	case formSub:
		if rest.Len() > 0 && depth < maxDepth {
			return p.narrowRange(rest, msg, depth+1)
		}
	case formTyped:
		_, rest = cutType(rest)
		return firstNonString(rest).Range()
	case formCommand, formList:
		if msg == msgNotStrings {
			return firstNonString(rest).Range()
		}
	case formPairs:
		if strings.HasPrefix(msg, msgNoEquals) {
			return p.wordWithoutEquals(rest).Range()
		}
	}
	if rest.Len() == 0 {
		return trim(line).Range()
	}
	return rest.Range()
}

// firstNonString returns the first element of a JSON array that is not a string. If all
// elements are strings, it returns the whole array.
func firstNonString(t source.Text) source.Text {
	for _, e := range jsonElements(t) {
		if e.String()[0] != '"' {
			return e
		}
	}
	return t
}

// wordWithoutEquals returns the first word without = in the arguments of ENV or LABEL. If
// every word contains =, it returns all arguments.
func (p *layout) wordWithoutEquals(t source.Text) source.Text {
	for _, w := range p.splitQuoted(t) {
		if !strings.Contains(w.String(), "=") {
			return w
		}
	}
	return t
}

// badHeredocWord returns the first word that looks like a heredoc redirection, but that
// BuildKit's parser rejects.
func badHeredocWord(line source.Text) (source.Text, bool) {
	fields, _ := shell.Split(line.String())
	for _, f := range fields {
		if _, err := parser.ParseHeredoc(f.Text); err != nil {
			return line.Slice(f.Start, f.End), true
		}
	}
	return source.Text{}, false
}
