package parser

import (
	"bytes"
	"errors"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"slipway/diag"
	"slipway/source"
)

// Parse reads a Dockerfile. It reports the first fault, with BuildKit's text;
// there is no file then.
func Parse(f *source.File) (*File, diag.List) {
	if len(f.Bytes) == 0 {
		return nil, diag.List{diag.Errorf(source.Range{}, "the Dockerfile cannot be empty")}
	}
	res, err := parser.Parse(bytes.NewReader(f.Bytes))
	if err != nil {
		return nil, diag.List{fault(f, err)}
	}
	p := &layout{file: f, escape: byte(res.EscapeToken)}
	out := &File{Source: f, Escape: p.escape}
	for _, n := range res.AST.Children {
		p.between(n.StartLine)
		p.directives.ParseLine(nil) //nolint:errcheck // an instruction ends them
		in := p.instruction(n)
		in.Doc, p.doc = p.doc, nil
		p.nodes = append(p.nodes, in)
		p.next = n.EndLine + 1
	}
	p.between(f.Lines() + 1)
	out.Nodes = p.nodes
	return out, nil
}

// layout lays ranges over BuildKit's nodes.
type layout struct {
	file       *source.File
	escape     byte
	nodes      []Node
	doc        []*Comment
	next       int // the first line that no node has yet, 0 at the start
	directives parser.DirectiveParser
}

// fault locates an error of BuildKit's parser.
func fault(f *source.File, err error) *diag.Diagnostic {
	first, last := 1, 1
	var le *parser.LocationError
	if errors.As(err, &le) && len(le.Locations) > 0 && len(le.Locations[0]) > 0 {
		lines := le.Locations[0]
		first, last = max(lines[0].Start.Line, 1), max(lines[len(lines)-1].End.Line, 1)
	}
	if r, ok := directiveFault(f, err.Error()); ok {
		return diag.Errorf(r, "%w", err)
	}
	r := trimmed(f, f.LineRange(first, min(last, f.Lines())))
	return diag.Errorf(tight(f, r, err.Error()), "%w", err).In(r)
}

// trimmed returns the range without white space at its ends.
func trimmed(f *source.File, r source.Range) source.Range {
	for r.End > r.Start && isBlank(f.Bytes[r.End-1]) {
		r.End--
	}
	for r.Start < r.End && isBlank(f.Bytes[r.Start]) {
		r.Start++
	}
	return r
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
