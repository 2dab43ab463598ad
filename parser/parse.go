package parser

import (
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"slipway/diag"
	"slipway/source"
)

// Parse parses a Dockerfile. If it fails, it returns a nil File and one diagnostic with
// BuildKit's message for the first error. The message lacks the prefix "dockerfile parse
// error on line N", which BuildKit adds only to errors of the instructions package.
func Parse(f *source.File) (*File, diag.List) {
	p := &layout{file: f, escape: parser.DefaultEscapeToken}
	p.readDirectives()
	if d := p.checkNesting(); d != nil {
		return nil, diag.List{d}
	}
	p.lines = p.newCondensedReader()
	res, err := parser.Parse(p.lines)
	if err != nil {
		return nil, diag.List{p.diagnose(err)}
	}
	p.escape = byte(res.EscapeToken)
	p.nodes = make([]Node, 0, 2*len(res.AST.Children)+len(p.directives))
	for _, n := range res.AST.Children {
		first, last := p.lines.fileLine(n.StartLine), p.lines.fileLine(n.EndLine)
		above := p.appendGap(first)
		in := p.instruction(n, first, last)
		in.Above = above
		p.nodes = append(p.nodes, in)
		p.next = last + 1
	}
	p.appendGap(f.Lines() + 1)
	return &File{Source: f, Escape: p.escape, Nodes: p.nodes}, nil
}

// layout builds the nodes of a File by adding source ranges to BuildKit's nodes.
type layout struct {
	file         *source.File
	escape       byte
	directives   []*Directive
	badDirective *diag.Diagnostic // the error for the first invalid directive, or nil
	lines        *condensedReader // the input of BuildKit's parser
	nodes        []Node
	next         int // the number of the first line that no node covers so far; 0 at the start
}

// instruction builds an Instruction from BuildKit's node n and adds the source ranges. The
// parameters first and last are the numbers of the first and the last line of the
// instruction. All values come from BuildKit. If the joined line ever differs from
// BuildKit's, the ranges are approximate.
func (p *layout) instruction(n *parser.Node, first, last int) *Instruction {
	l := p.logicalLine(first, last)
	in := &Instruction{Rng: p.file.LineRange(first, last), Line: l.text, Gaps: l.gaps}
	in.Heredocs = p.heredocs(n.Heredocs, l)
	p.fill(in, n, 0)
	return in
}

// fill parses the logical line of the instruction in into keyword, flags and arguments. The
// parameter n is BuildKit's node, and depth is the number of enclosing ONBUILDs.
func (p *layout) fill(in *Instruction, n *parser.Node, depth int) {
	c := p.splitCommand(in.Line)
	in.Keyword, in.Rest = c.keyword, c.rest
	in.Flags = newFlags(n.Flags, c.flags)
	in.Args = p.args(in, n, depth)
}
