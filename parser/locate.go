package parser

import (
	"bytes"
	"unicode"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"slipway/shell"
	"slipway/source"
)

// instruction lays ranges over a node.
func (p *layout) instruction(n *parser.Node) *Instruction {
	in := &Instruction{Rng: p.file.LineRange(n.StartLine, n.EndLine)}
	var end int
	in.Line, in.Gaps, end = p.logicalLine(n.StartLine, n.EndLine)
	p.fill(in, n, in.Line)
	in.Heredocs = p.heredocs(n.Heredocs, in.Line, p.file.LineStart(end+1))
	return in
}

// logicalLine joins the lines of an instruction as BuildKit does: continuation
// characters, comments and empty lines go, white space at the start of the
// first line only. It returns the empty lines, and the number of the last line
// that is not part of a heredoc.
func (p *layout) logicalLine(first, last int) (source.Text, []source.Range, int) {
	b := source.NewBuilder(p.file)
	var gaps []source.Range
	n := first
	for ; n <= last; n++ {
		t := trimRight(p.file.LineRange(n, n).Text(), "\r\n")
		if n == 1 && bytes.HasPrefix(p.file.Bytes, bom) {
			t = t.Slice(len(bom), t.Len())
		}
		token := trimLeft(t)
		switch {
		case n == first:
			t = token
		case token.Len() == 0:
			gaps = append(gaps, p.file.LineRange(n, n))
			continue
		case token.String()[0] == '#':
			continue
		}
		length, more := p.continued(t.String())
		r := t.Slice(0, length).Range()
		b.Add(r.Start, r.End)
		if !more {
			break
		}
	}
	return b.Text(), gaps, min(n, last)
}

// continued tells whether a line goes on, and how long it is without the
// continuation character.
func (p *layout) continued(s string) (int, bool) {
	i := len(s)
	for i > 0 && (s[i-1] == ' ' || s[i-1] == '\t') {
		i--
	}
	if i == 0 || s[i-1] != p.escape || i > 1 && s[i-2] == p.escape {
		return len(s), false
	}
	return i - 1, true
}

// fill splits a logical line into keyword, flags and arguments.
func (p *layout) fill(in *Instruction, n *parser.Node, line source.Text) {
	t := trim(line)
	s := t.String()
	i := 0
	for i < len(s) && !isSeparator(s[i]) {
		i++
	}
	in.Keyword = t.Slice(0, i)
	for i < len(s) && isSeparator(s[i]) {
		i++
	}
	rest := t.Slice(i, len(s))
	in.Flags, rest = p.flags(n.Flags, rest)
	in.Rest = trim(rest)
	in.Args = p.args(n, in.Rest)
}

// isSeparator tells the bytes that BuildKit splits keyword and words at.
func isSeparator(c byte) bool {
	return c == '\t' || c == '\v' || c == '\f' || c == '\r' || c == ' '
}

// flags finds the words of the flags; raw has them without quotes. It returns
// what stands behind them.
func (p *layout) flags(raw []string, t source.Text) ([]Flag, source.Text) {
	s := t.String()
	var flags []Flag
	pos := 0
	for {
		for pos < len(s) && unicode.IsSpace(rune(s[pos])) {
			pos++
		}
		if pos+1 >= len(s) || s[pos] != '-' || s[pos+1] != '-' {
			return flags, t.Slice(pos, len(s))
		}
		start := pos
		pos = p.flagEnd(s, pos)
		if s[start:pos] == "--" {
			return flags, t.Slice(pos, len(s))
		}
		if len(flags) < len(raw) {
			flags = append(flags, newFlag(raw[len(flags)], t.Slice(start, pos)))
		}
	}
}

// flagEnd returns where the flag that starts at pos ends.
func (p *layout) flagEnd(s string, pos int) int {
	var quote byte
	for ; pos < len(s); pos++ {
		c := s[pos]
		switch {
		case c == p.escape:
			pos++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case unicode.IsSpace(rune(c)):
			return pos
		}
	}
	return len(s)
}

func newFlag(raw string, t source.Text) Flag {
	f := Flag{Text: t, Raw: raw}
	name, value, ok := bytes.Cut([]byte(raw), []byte("="))
	f.Name, f.Value, f.HasValue = string(name), string(value), ok
	f.Name = string(bytes.TrimPrefix(name, []byte("--")))
	s := t.String()
	eq := bytes.IndexByte([]byte(s), '=')
	if eq < 0 {
		f.NameAt = t.Range()
		f.ValueAt = t.Slice(len(s), len(s)).Range()
		return f
	}
	f.NameAt = t.Slice(0, eq).Range()
	f.ValueAt = t.Slice(eq+1, len(s)).Range()
	return f
}

// heredocs lays ranges over the bodies, which follow each other from start on.
func (p *layout) heredocs(docs []parser.Heredoc, line source.Text, start int) []Heredoc {
	if len(docs) == 0 {
		return nil
	}
	words := heredocWords(line)
	list := make([]Heredoc, 0, len(docs))
	for i, d := range docs {
		h := Heredoc{Name: d.Name, Expand: d.Expand, Chomp: d.Chomp, FD: d.FileDescriptor, Word: line}
		if i < len(words) {
			h.Word = words[i]
		}
		h.Body = source.Range{File: p.file, Start: start, End: start + len(d.Content)}
		end := p.file.Position(h.Body.End).Line
		h.End = p.file.LineRange(end, end)
		start = h.End.End
		list = append(list, h)
	}
	return list
}

func heredocWords(line source.Text) []source.Text {
	var words []source.Text
	fields, _ := shell.Split(line.String())
	for _, f := range fields {
		if IsHeredoc(f.Text) {
			words = append(words, line.Slice(f.Start, f.End))
		}
	}
	return words
}
