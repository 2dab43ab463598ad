package parser

import (
	"bytes"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"slipway/diag"
	"slipway/shell"
	"slipway/source"
)

// ParseHeredoc parses a word such as <<NAME. It returns false if word is not a heredoc
// redirection. The result has no Word, Body or End.
func ParseHeredoc(word string) (Heredoc, bool) {
	h, err := parser.ParseHeredoc(word)
	if err != nil || h == nil {
		return Heredoc{}, false
	}
	return Heredoc{Name: h.Name, Expand: h.Expand, Chomp: h.Chomp, FD: h.FileDescriptor}, true
}

// IsHeredoc reports whether word is a heredoc redirection such as <<NAME.
func IsHeredoc(word string) bool {
	_, ok := ParseHeredoc(word)
	return ok
}

// Chomp removes the leading tabs from each line of body, as for a heredoc that starts with <<-
// instead of <<.
func Chomp(body string) string { return parser.ChompHeredocContent(body) }

// heredocWords returns the heredoc redirections in a logical line, without their bodies.
func heredocWords(line source.Text) []Heredoc {
	fields, err := shell.Split(line.String())
	if err != nil {
		return nil
	}
	var list []Heredoc
	for _, f := range fields {
		if !strings.Contains(f.Text, "<<") {
			continue
		}
		if h, ok := ParseHeredoc(f.Text); ok {
			h.Word = line.Slice(f.Start, f.End)
			list = append(list, h)
		}
	}
	return list
}

// HeredocWords returns the words of the instruction that have the form of a heredoc
// redirection, such as <<NAME. Only in RUN, COPY and ADD are such words heredocs. In other
// instructions they have no body.
func (n *Instruction) HeredocWords() []Heredoc { return heredocWords(n.Line) }

// heredocTexts returns the source texts of the n heredoc redirections in a logical line.
func heredocTexts(line source.Text, n int) []source.Text {
	texts := make([]source.Text, 0, n)
	fields, _ := shell.Split(line.String())
	for _, f := range fields {
		if strings.Contains(f.Text, "<<") {
			texts = append(texts, line.Slice(f.Start, f.End))
		}
	}
	if len(texts) == n {
		return texts // every candidate is a heredoc
	}
	texts = texts[:0]
	for _, h := range heredocWords(line) {
		texts = append(texts, h.Word)
	}
	return texts
}

// heredocs combines the heredocs that BuildKit found in a logical line with their ranges
// in the file. The first body starts in the line after the logical line.
func (p *layout) heredocs(docs []parser.Heredoc, l logicalLine) []Heredoc {
	if len(docs) == 0 {
		return nil
	}
	words := heredocTexts(l.text, len(docs))
	list := make([]Heredoc, 0, len(docs))
	start := l.end
	for i, d := range docs {
		h := Heredoc{Name: d.Name, Expand: d.Expand, Chomp: d.Chomp, FD: d.FileDescriptor, Word: l.text}
		if len(words) == len(docs) {
			h.Word = words[i]
		}
		end := min(start+len(d.Content), len(p.file.Bytes))
		h.Body = source.Range{File: p.file, Start: start, End: end}
		line := p.file.Position(end).Line
		h.End = p.file.LineRange(line, line)
		start = h.End.End
		list = append(list, h)
	}
	return list
}

// unterminated returns the first heredoc in a logical line that has no terminator, and
// the first line of its body. ok is false if every heredoc has a terminator.
func (p *layout) unterminated(l logicalLine) (h Heredoc, first int, ok bool) {
	line := p.file.Position(l.end).Line
	for _, h := range heredocWords(l.text) {
		first := line
		for found := false; !found; line++ {
			r := p.file.LineRange(line, line)
			if r.Start == r.End {
				return h, first, true // the file has ended
			}
			found = h.endsAt(p.file.Bytes[r.Start:r.End])
		}
	}
	return Heredoc{}, 0, false
}

// hintTerminator adds a hint to d, the error for a heredoc without a terminator. The hint
// points at the first line of the body that the author probably meant as the terminator,
// such as a terminator with trailing spaces.
func (p *layout) hintTerminator(d *diag.Diagnostic, h Heredoc, first int) *diag.Diagnostic {
	for n := first; n <= p.file.Lines(); n++ {
		t := contentText(p.file.LineRange(n, n))
		s := t.String()
		if len(s) > len(h.Name)+maxPadding || !strings.EqualFold(strings.Trim(s, " \t;,.)\"'`\\&|"), h.Name) {
			continue
		}
		d.Hinted("line %d is %q, only %q alone ends the heredoc", n, s, h.Name)
		return d.Note(t.Range(), "write %s alone on the line", h.Name)
	}
	return d.Hinted("no line is %q alone", h.Name)
}

// maxPadding is the maximum number of bytes by which a line may exceed the name of the heredoc.
// In longer lines, hintTerminator does not look for the terminator that the author meant.
const maxPadding = 80

// endsAt reports whether a line is the terminator of the heredoc.
func (h Heredoc) endsAt(line []byte) bool {
	line = bytes.TrimRight(line, "\r\n")
	if h.Chomp {
		line = bytes.TrimLeft(line, "\t")
	}
	return string(line) == h.Name
}
