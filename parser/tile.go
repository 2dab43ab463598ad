package parser

import (
	"bytes"
	"unicode"

	"slipway/source"
)

var bom = []byte{0xEF, 0xBB, 0xBF}

// between makes nodes of the lines up to that of the next instruction.
func (p *layout) between(line int) {
	for n := max(p.next, 1); n < line && n <= p.file.Lines(); n++ {
		r := p.file.LineRange(n, n)
		if r.Start == r.End {
			break // behind the last line end
		}
		p.outside(r, n == 1)
	}
	p.next = line
}

// outside makes a node of one line outside of instructions.
func (p *layout) outside(r source.Range, first bool) {
	t := r.Text()
	if first && bytes.HasPrefix(p.file.Bytes, bom) {
		t = t.Slice(len(bom), t.Len())
	}
	t = trimRight(t, "\r\n")
	token := trimLeft(t)
	dir, err := p.directives.ParseLine([]byte(token.String()))
	if token.Len() == 0 || token.String()[0] != '#' {
		p.blank(r)
		return
	}
	if err == nil && dir != nil {
		p.nodes = append(p.nodes, newDirective(r, token))
		return
	}
	// Upstream: the first byte is dropped even where the # comes later.
	c := &Comment{Rng: r, Text: trim(t.Slice(1, t.Len()))}
	p.nodes = append(p.nodes, c)
	if c.Text.Len() == 0 {
		p.doc = nil
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

func newDirective(r source.Range, token source.Text) *Directive {
	s := token.String()
	eq := bytes.IndexByte([]byte(s), '=')
	return &Directive{
		Rng:   r,
		Name:  trim(token.Slice(1, eq)),
		Value: trim(token.Slice(eq+1, len(s))),
	}
}

func trimLeft(t source.Text) source.Text {
	s := t.String()
	return t.Slice(len(s)-len(bytes.TrimLeftFunc([]byte(s), unicode.IsSpace)), len(s))
}

func trimRight(t source.Text, cutset string) source.Text {
	return t.Slice(0, len(bytes.TrimRight([]byte(t.String()), cutset)))
}

func trim(t source.Text) source.Text {
	t = trimLeft(t)
	return t.Slice(0, len(bytes.TrimRightFunc([]byte(t.String()), unicode.IsSpace)))
}
