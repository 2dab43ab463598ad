package parser

import (
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"slipway/diag"
	"slipway/source"
)

// Parse reads a Dockerfile. It reports the first fault, with BuildKit's text
// and without its "dockerfile parse error on line", which is only for what an
// instruction means; there is no file then.
func Parse(f *source.File) (*File, diag.List) {
	p := &layout{file: f, escape: parser.DefaultEscapeToken}
	p.readDirectives()
	if d := p.tooDeep(); d != nil {
		return nil, diag.List{d}
	}
	p.lines = p.newSparse()
	res, err := parser.Parse(p.lines)
	if err != nil {
		return nil, diag.List{p.fault(err)}
	}
	p.escape = byte(res.EscapeToken)
	p.nodes = make([]Node, 0, 2*len(res.AST.Children)+len(p.directives))
	for _, n := range res.AST.Children {
		first, last := p.lines.original(n.StartLine), p.lines.original(n.EndLine)
		above := p.between(first)
		in := p.instruction(n, first, last)
		in.Above = above
		p.nodes = append(p.nodes, in)
		p.next = last + 1
	}
	p.between(f.Lines() + 1)
	return &File{Source: f, Escape: p.escape, Nodes: p.nodes}, nil
}

// layout lays ranges over BuildKit's nodes.
type layout struct {
	file         *source.File
	escape       byte
	directives   []*Directive
	badDirective *diag.Diagnostic // the fault of a directive, which ends them
	lines        *sparse          // what BuildKit's parser reads
	nodes        []Node
	next         int // the first line that no node has yet, 0 at the start
}

// instruction lays ranges over a node. Should the logical line ever differ from
// BuildKit's, values are still BuildKit's, and places are as near as can be.
func (p *layout) instruction(n *parser.Node, first, last int) *Instruction {
	l := p.logicalLine(first, last)
	in := &Instruction{Rng: p.file.LineRange(first, last), Line: l.text, Gaps: l.gaps}
	in.Heredocs = p.heredocs(n.Heredocs, l)
	p.fill(in, n, 0)
	return in
}

// fill reads the logical line of an instruction, which is the depth-th behind
// as many ONBUILDs.
func (p *layout) fill(in *Instruction, n *parser.Node, depth int) {
	c := p.splitCommand(in.Line)
	in.Keyword, in.Rest = c.keyword, c.rest
	in.Flags = newFlags(n.Flags, c.flags)
	in.Args = p.args(in, n, depth)
}
