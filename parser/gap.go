package parser

import "slipway/source"

// appendGap appends nodes for the comments, directives and empty lines between the
// previous instruction and the given line. It returns the range of these lines without
// the directives.
func (p *layout) appendGap(line int) source.Range {
	n := max(p.next, 1)
	for ; n < line && n <= len(p.directives); n++ {
		p.nodes = append(p.nodes, p.directives[n-1])
	}
	lines := p.file.LineRange(n, line-1)
	comment := n < line && p.isComment(n)
	for first := n; n < line; n++ {
		next := n+1 < line && p.isComment(n+1)
		if next != comment || n+1 == line {
			p.appendNode(p.file.LineRange(first, n), comment)
			first, comment = n+1, next
		}
	}
	return lines
}

// appendNode appends a Comment or a Blank node that covers the given lines.
func (p *layout) appendNode(lines source.Range, comment bool) {
	switch {
	case lines.Start == lines.End: // the file ends with a line end
	case comment:
		p.nodes = append(p.nodes, &Comment{Rng: lines})
	default:
		p.nodes = append(p.nodes, &Blank{Rng: lines})
	}
}

// isComment reports whether a line outside of instructions is a comment.
func (p *layout) isComment(line int) bool {
	start, end := content(p.file.LineRange(line, line))
	return isComment(p.file.Bytes[start:end])
}
