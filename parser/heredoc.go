package parser

import (
	"bytes"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"slipway/diag"
	"slipway/shell"
	"slipway/source"
)

// ParseHeredoc reads a word as a heredoc, <<NAME. The result has neither body
// nor place.
func ParseHeredoc(word string) (Heredoc, bool) {
	h, err := parser.ParseHeredoc(word)
	if err != nil || h == nil {
		return Heredoc{}, false
	}
	return Heredoc{Name: h.Name, Expand: h.Expand, Chomp: h.Chomp, FD: h.FileDescriptor}, true
}

// IsHeredoc tells whether the text is one heredoc word and nothing else.
func IsHeredoc(word string) bool {
	_, ok := ParseHeredoc(word)
	return ok
}

// Chomp removes the leading tabs of all lines, as <<- asks for.
func Chomp(body string) string { return parser.ChompHeredocContent(body) }

// heredocWords returns the heredoc words of a logical line.
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

// HeredocWords returns the words that are heredocs where an instruction takes
// them. Those of other instructions have no body.
func (n *Instruction) HeredocWords() []Heredoc { return heredocWords(n.Line) }

// heredocPlaces returns where the n heredoc words of a logical line stand.
func heredocPlaces(line source.Text, n int) []source.Text {
	places := make([]source.Text, 0, n)
	fields, _ := shell.Split(line.String())
	for _, f := range fields {
		if strings.Contains(f.Text, "<<") {
			places = append(places, line.Slice(f.Start, f.End))
		}
	}
	if len(places) == n {
		return places // all that look like one are one
	}
	places = places[:0]
	for _, h := range heredocWords(line) {
		places = append(places, h.Word)
	}
	return places
}

// heredocs lays ranges over BuildKit's heredocs, whose bodies follow the
// logical line.
func (p *layout) heredocs(docs []parser.Heredoc, l logical) []Heredoc {
	if len(docs) == 0 {
		return nil
	}
	words := heredocPlaces(l.text, len(docs))
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

// unterminated returns the first heredoc of a logical line whose terminator
// does not come, and the first line of its body.
func (p *layout) unterminated(l logical) (h Heredoc, first int, ok bool) {
	line := p.file.Position(l.end).Line
	for _, h := range heredocWords(l.text) {
		first := line
		for found := false; !found; line++ {
			r := p.file.LineRange(line, line)
			if r.Start == r.End {
				return h, first, true // after the end of the file
			}
			found = h.ends(p.file.Bytes[r.Start:r.End])
		}
	}
	return Heredoc{}, 0, false
}

// nearEnd adds to the error of a heredoc without an end the first line of its
// body that may be meant to end it.
func (p *layout) nearEnd(d *diag.Diagnostic, h Heredoc, first int) *diag.Diagnostic {
	for n := first; n <= p.file.Lines(); n++ {
		t := contentText(p.file.LineRange(n, n))
		s := t.String()
		if len(s) > len(h.Name)+longestPadding || !strings.EqualFold(strings.Trim(s, " \t;,.)\"'`\\&|"), h.Name) {
			continue
		}
		d.Hinted("line %d is %q, only %q alone ends the heredoc", n, s, h.Name)
		return d.Note(t.Range(), "write %s alone on the line", h.Name)
	}
	return d.Hinted("no line is %q alone", h.Name)
}

// longestPadding is how much longer a line can be that is meant to end a heredoc.
const longestPadding = 80

// ends tells whether a line is the heredoc's terminator.
func (h Heredoc) ends(line []byte) bool {
	line = bytes.TrimRight(line, "\r\n")
	if h.Chomp {
		line = bytes.TrimLeft(line, "\t")
	}
	return string(line) == h.Name
}
