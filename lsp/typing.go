package lsp

import (
	"context"
	"strings"

	"slipway/lint"
	"slipway/source"
)

// formatLine returns the edit that indents a line after the user has started it. The first line of an
// instruction that continues gets one unit, and the following ones the indentation of the line above.
func (s *server) formatLine(ctx context.Context, snap *snapshot, p onTypeParams) (any, error) {
	f := snap.load(ctx)
	line := p.Position.Line
	if _, h := heredocAt(f, snap.mapper.offset(p.Position)); h != nil || line < 1 || line >= len(snap.mapper.starts) || f.Syntax == nil {
		return nil, nil
	}
	if !snap.continues(f, line-1) {
		return nil, nil
	}
	opt, err := s.layout(snap, p.Options)
	if err != nil {
		return nil, err
	}
	indent := opt.Indent
	if above := snap.lineText(line - 1); line > 1 && snap.continues(f, line-2) {
		indent = above[:len(above)-len(strings.TrimLeft(above, " \t"))]
	}
	text := snap.lineText(line)
	old := len(text) - len(strings.TrimLeft(text, " \t"))
	if text[:old] == indent {
		return nil, nil
	}
	start := snap.mapper.starts[line]
	return []textEdit{{Range: snap.spanRange(span{start, start + old}), NewText: indent}}, nil
}

// lineText returns the text of a line without its line end.
func (s *snapshot) lineText(line int) string {
	return string(s.file.Bytes[s.mapper.starts[line]:s.mapper.lineEnd(line)])
}

// continues reports whether the instruction of a line continues in the next line.
func (s *snapshot) continues(f *lint.File, line int) bool {
	text := strings.TrimRight(s.lineText(line), " \t")
	if _, h := heredocAt(f, s.mapper.starts[line]); h != nil {
		return false
	}
	return text != "" && text[len(text)-1] == f.Syntax.Escape && !strings.HasPrefix(strings.TrimLeft(text, " \t"), "#")
}

// linkedEditing returns the two places of the name of a heredoc, which change together: after << and
// in the line at the end.
func (s *server) linkedEditing(ctx context.Context, snap *snapshot, p positionParams) (any, error) {
	f := snap.load(ctx)
	if f.Syntax == nil {
		return nil, nil
	}
	offset := snap.mapper.offset(p.Position)
	for _, in := range f.Syntax.Instructions() {
		for _, h := range in.Heredocs {
			at := strings.Index(h.Word.String(), h.Name)
			if at < 0 || h.Name == "" {
				continue
			}
			name := h.Word.Slice(at, at+len(h.Name)).Range()
			end := source.Range{File: h.End.File, Start: h.End.Start + strings.Index(h.End.String(), h.Name)}
			end.End = end.Start + len(h.Name)
			if end.Start < h.End.Start || name.String() != h.Name {
				continue
			}
			for _, r := range []source.Range{name, end} {
				if r.Start <= offset && offset <= r.End {
					return linkedRanges{[]textRange{snap.mapper.textRange(name), snap.mapper.textRange(end)}}, nil
				}
			}
		}
	}
	return nil, nil
}
