package lsp

import (
	"cmp"
	"context"
	"slices"

	"mvdan.cc/sh/v3/syntax"

	"slipway/lint"
	"slipway/parser"
)

// folding returns the ranges of lines that an editor can hide: stages, instructions, heredocs and
// runs of comments.
func (s *server) folding(ctx context.Context, snap *snapshot, _ documentParams) (any, error) {
	list := []foldingRange{}
	f := snap.load(ctx)
	if f.Syntax == nil {
		return list, nil
	}
	add := func(r span, kind string) {
		first, last := snap.mapper.position(r.start).Line, snap.mapper.position(max(r.start, r.end-1)).Line
		if first < last {
			list = append(list, foldingRange{first, last, kind})
		}
	}
	for _, st := range stageSpans(f) {
		add(st, "")
	}
	for _, n := range f.Syntax.Nodes {
		switch n := n.(type) {
		case *parser.Comment:
			add(rangeSpan(n.Rng), "comment")
		case *parser.Instruction:
			add(rangeSpan(n.Rng), "")
			for _, h := range n.Heredocs {
				add(span{h.Body.Start, h.End.End}, "")
			}
		case *parser.Blank, *parser.Directive:
		}
	}
	slices.SortStableFunc(list, func(a, b foldingRange) int { return a.StartLine - b.StartLine })
	return list, nil
}

// stageSpans returns the lines of each stage, from its FROM to its last instruction.
func stageSpans(f *lint.File) []span {
	var list []span
	for _, in := range f.Syntax.Instructions() {
		switch {
		case lowerKeyword(in) == "from":
			list = append(list, rangeSpan(in.Rng))
		case len(list) > 0:
			list[len(list)-1].end = in.Rng.End
		}
	}
	return list
}

// selection returns the ranges around each position: from a word over the command, the instruction
// and the stage to the document.
func (s *server) selection(ctx context.Context, snap *snapshot, p selectionParams) (any, error) {
	f := snap.load(ctx)
	list := []*selectionRange{}
	for _, at := range p.Positions {
		if ctx.Err() != nil {
			break
		}
		offset := snap.mapper.offset(at)
		var chain *selectionRange
		last := span{0, len(snap.file.Bytes)}
		for i, c := range around(f, offset) {
			if i > 0 && (c == last || c.start < last.start || c.end > last.end) {
				continue
			}
			chain, last = &selectionRange{snap.spanRange(c), chain}, c
		}
		list = append(list, chain)
	}
	return list, nil
}

// around returns the parts of a document that contain an offset, the largest first.
func around(f *lint.File, offset int) []span {
	list := []span{{0, len(f.Source.Bytes)}}
	add := func(s span) {
		if s.start <= offset && offset <= s.end {
			list = append(list, s)
		}
	}
	if f.Syntax != nil {
		for _, st := range stageSpans(f) {
			add(st)
		}
		for _, in := range f.Syntax.Instructions() {
			if in.Rng.Start <= offset && offset <= in.Rng.End {
				instructionSpans(in, add)
			}
		}
	}
	for _, st := range f.Stages {
		for _, s := range st.Scripts {
			if r := s.Instruction.Rng; s.Tree == nil || !f.Contains(r) || offset < r.Start || offset > r.End {
				continue
			}
			syntax.Walk(s.Tree, func(n syntax.Node) bool {
				if n != nil {
					add(rangeSpan(s.NodeRange(n)))
				}
				return n != nil
			})
		}
	}
	slices.SortStableFunc(list, func(a, b span) int { return cmp.Compare(b.end-b.start, a.end-a.start) })
	return list
}

// instructionSpans calls add for the parts of an instruction.
func instructionSpans(in *parser.Instruction, add func(span)) {
	add(rangeSpan(in.Rng))
	add(rangeSpan(in.Line.Range()))
	if in.Rest.Len() > 0 {
		add(rangeSpan(in.Rest.Range()))
	}
	for _, w := range in.Words() {
		add(rangeSpan(w.Text.Range()))
	}
	for _, f := range in.Flags {
		add(rangeSpan(f.ValueRange))
	}
	for _, h := range in.Heredocs {
		add(rangeSpan(h.Body))
	}
}
