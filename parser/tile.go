package parser

import "slipway/source"

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
	if !isComment(p.file.Bytes[start:end]) {
		p.blank(r)
		return
	}
	c := p.newComment()
	c.Rng, c.Text = r, trim(source.Range{File: p.file, Start: start + 1, End: end}.Text())
	p.nodes = append(p.nodes, c)
	if c.Text.Len() == 0 {
		p.doc = p.doc[len(p.doc):]
	} else {
		p.doc = append(p.doc, c)
	}
}

// newComment returns one of several comments that are allocated together.
func (p *layout) newComment() *Comment {
	if len(p.spare) == 0 {
		p.spare = make([]Comment, max(1, min(32, cap(p.doc)-len(p.doc))))
	}
	c := &p.spare[0]
	p.spare = p.spare[1:]
	return c
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
