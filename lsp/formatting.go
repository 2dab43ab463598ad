package lsp

import (
	"context"
	"strings"

	"github.com/sourcegraph/jsonrpc2"

	"slipway/diag"
	"slipway/format"
	"slipway/parser"
)

// maxIndent is the maximum number of blanks of an indentation.
const maxIndent = 16

// format returns the edits that lay out a document or a range of it. It returns none for an invalid
// document, whose diagnostics show the errors, and for a document that the configuration excludes.
func (s *server) format(ctx context.Context, snap *snapshot, p formattingParams) (any, error) {
	tree := snap.parse()
	if tree == nil || snap.rules.Excluded {
		return nil, nil
	}
	opt, err := s.layout(snap, p.Options)
	if err != nil {
		return nil, err
	}
	lines := span{0, len(snap.file.Bytes)}
	if p.Range != nil {
		lines = touched(tree, snap.lines(*p.Range))
		opt.Keep = outside(tree, lines)
	}
	edits, err := s.layOut(ctx, tree, opt)
	if err != nil {
		s.log(ctx, logError, err.Error())
	}
	if !s.isCurrent(snap) {
		return nil, &jsonrpc2.Error{Code: codeContentModified, Message: "the document has changed"}
	}
	out := []textEdit{}
	for _, e := range edits {
		if e.Range.Start >= lines.start && (e.Range.Start < lines.end || lines.end == len(snap.file.Bytes)) {
			out = append(out, textEdit{Range: snap.mapper.textRange(e.Range), NewText: e.New})
		}
	}
	return out, nil
}

// layout returns the layout of a document, based on the indentation of the editor.
func (s *server) layout(snap *snapshot, indent indentOptions) (format.Options, error) {
	opt := format.Default()
	switch size := indent.TabSize; {
	case !indent.InsertSpaces && size > 0:
		opt.Indent = "\t"
	case size > 0 && size <= maxIndent:
		opt.Indent = strings.Repeat(" ", size)
	}
	if s.opt.Settings == nil {
		return opt, nil
	}
	return s.opt.Settings(snap.file.Name, opt)
}

// layOut lays out a file with the function of the options.
func (s *server) layOut(ctx context.Context, f *parser.File, opt format.Options) ([]diag.Edit, error) {
	if s.opt.Format == nil {
		return format.Format(f, opt)
	}
	return s.opt.Format(ctx, f, opt)
}

// span is the part [start, end) of a document.
type span struct{ start, end int }

// lines returns the lines that a range touches.
func (s *snapshot) lines(r textRange) span {
	start, end := s.mapper.offset(r.Start), s.mapper.offset(r.End)
	if r.End.Character == 0 && end > start {
		end-- // the range ends before the line
	}
	first, last := s.file.Position(start).Line, s.file.Position(end).Line
	lines := s.file.LineRange(first, last)
	return span{lines.Start, lines.End}
}

// outside returns a function that reports whether an instruction is outside of the lines.
func outside(f *parser.File, lines span) func(index int) bool {
	list := f.Instructions()
	return func(index int) bool {
		r := list[index].Rng
		return r.End <= lines.start || r.Start >= lines.end
	}
}

// touched returns the lines and all other lines of the instructions that they touch.
func touched(f *parser.File, lines span) span {
	all := lines
	for _, in := range f.Instructions() {
		if in.Rng.End > lines.start && in.Rng.Start < lines.end {
			all = span{min(all.start, in.Rng.Start), max(all.end, in.Rng.End)}
		}
	}
	return all
}
