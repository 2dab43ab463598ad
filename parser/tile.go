package parser

import (
	"bytes"
	"unicode"

	"slipway/source"
)

// between makes nodes of the lines up to that of the next instruction.
func (p *layout) between(line int) {
	for n := max(p.next, 1); n < line && n <= p.file.Lines(); n++ {
		r := p.file.LineRange(n, n)
		switch {
		case r.Start == r.End: // behind the last line end
		case n <= len(p.directives):
			p.nodes = append(p.nodes, p.directives[n-1])
		default:
			p.outside(r)
		}
	}
	p.next = line
}

// outside makes a node of one line outside of instructions.
func (p *layout) outside(r source.Range) {
	start, end := p.content(r)
	token := bytes.TrimLeftFunc(p.file.Bytes[start:end], unicode.IsSpace)
	if len(token) == 0 || token[0] != '#' {
		p.blank(r)
		return
	}
	c := &Comment{Rng: r, Text: trim(source.Range{File: p.file, Start: start + 1, End: end}.Text())}
	p.nodes = append(p.nodes, c)
	if c.Text.Len() == 0 {
		p.doc = p.doc[len(p.doc):]
	} else {
		p.doc = append(p.doc, c)
	}
}

// blank adds a line to the run of blank lines before it.
func (p *layout) blank(r source.Range) {
	if n := len(p.nodes); n > 0 {
		if b, ok := p.nodes[n-1].(*Blank); ok {
			b.Rng.End = r.End
			return
		}
	}
	p.nodes = append(p.nodes, &Blank{Rng: r})
}
