package parser

import (
	"bytes"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"slipway/diag"
	"slipway/shell"
	"slipway/source"
)

// ParseHeredoc parses word as a heredoc redirection, <<NAME. The result has no
// Word, Body or End.
func ParseHeredoc(word string) (Heredoc, bool) {
	h, err := parser.ParseHeredoc(word)
	if err != nil || h == nil {
		return Heredoc{}, false
	}
	return Heredoc{Name: h.Name, Expand: h.Expand, Chomp: h.Chomp, FD: h.FileDescriptor}, true
}

// IsHeredoc reports whether word is a heredoc redirection.
func IsHeredoc(word string) bool {
	_, ok := ParseHeredoc(word)
	return ok
}

// Chomp removes the leading tabs of each line of body, as <<- requests.
func Chomp(body string) string { return parser.ChompHeredocContent(body) }

// heredocWords returns the heredoc redirections in a logical line.
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

// HeredocWords returns the words that have the form of a heredoc. Only RUN,
// COPY and ADD treat them as heredocs; with other instructions they have no
// body.
func (n *Instruction) HeredocWords() []Heredoc { return heredocWords(n.Line) }

// heredocPlaces returns the text of the n heredoc redirections of a logical
// line.
func heredocPlaces(line source.Text, n int) []source.Text {
	places := make([]source.Text, 0, n)
	fields, _ := shell.Split(line.String())
	for _, f := range fields {
		if strings.Contains(f.Text, "<<") {
			places = append(places, line.Slice(f.Start, f.End))
		}
	}
	if len(places) == n {
		return places // every candidate is a heredoc
	}
	places = places[:0]
	for _, h := range heredocWords(line) {
		places = append(places, h.Word)
	}
	return places
}

// heredocs returns BuildKit's heredocs of a logical line with their ranges in the file.
// The bodies start in the line after the logical line.
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

// unterminated returns the first heredoc that has no terminator, among those of a
// logical line, and the first line of its body.
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

// nearEnd adds a hint to the error for a heredoc without a terminator. It
// points at the first line of the body that the author may have meant as the
// terminator.
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

// longestPadding is the maximum number of extra bytes of a line that nearEnd
// considers.
const longestPadding = 80

// ends reports whether line is the heredoc's terminator.
func (h Heredoc) ends(line []byte) bool {
	line = bytes.TrimRight(line, "\r\n")
	if h.Chomp {
		line = bytes.TrimLeft(line, "\t")
	}
	return string(line) == h.Name
}
