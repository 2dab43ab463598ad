package answers

import (
	"fmt"
	"html"
	"strings"
	"unicode/utf8"
)

// Sizes in pixels.
const (
	charWidth   = 7
	nodePadding = 12
	minWidth    = 110
	titleHeight = 22
	noteHeight  = 18
	squareSize  = 9  // of the square that represents a step
	maxSquares  = 24 // in one row
	margin      = 12
	maxTitle    = 40 // characters
)

// svgStyle is the style sheet of the graph, in SVG files and HTML pages.
const svgStyle = `.node rect.box{fill:#fff;stroke:#57606a;stroke-width:1.2}.node text{font:13px ui-sans-serif,system-ui,sans-serif;fill:#1f2328}.node text.note{font-size:11px;fill:#57606a}
.node.source rect.box{fill:#f6f8fa;stroke-dasharray:none;stroke:#8c959f}.node.unneeded rect.box{stroke:#d0d7de}.node.unneeded text{fill:#8c959f}.node rect.inner{fill:none;stroke:#57606a;stroke-width:1}
.edge path{fill:none;stroke:#57606a;stroke-width:1.2}.edge.copy path{stroke-dasharray:6 4}.edge.mount path{stroke-dasharray:1.5 4;stroke-linecap:round}.edge text{font:10px ui-sans-serif,system-ui,sans-serif;fill:#57606a}
.hit{fill:#1a7f37}.miss{fill:#bc4c00}.never{fill:#8250df}.unknown{fill:#afb8c1}.failed{fill:#cf222e}
`

// writeSVG writes the graph as an SVG file.
func (p *Plan) writeSVG(b *strings.Builder) {
	p.drawSVG(b, ` xmlns="http://www.w3.org/2000/svg"`, "<style>\n"+svgStyle+"</style>\n", false)
}

// drawSVG writes the graph as an element svg. The parameter attributes is added to the element,
// and style is its first child. If links is true, each stage is a link to the element with its
// ID.
func (p *Plan) drawSVG(b *strings.Builder, attributes, style string, links bool) {
	nodes, edges := p.nodes(), p.edges()
	index := make(map[string]int, len(nodes))
	boxes, sources := make([]box, len(nodes)), make([]bool, len(nodes))
	for i, n := range nodes {
		index[n.id], boxes[i], sources[i] = i, sizeOf(n), n.stage == nil
	}
	pairs := make([][2]int, len(edges))
	for i, e := range edges {
		pairs[i] = [2]int{index[e.from], index[e.to]}
	}
	l := arrange(boxes, pairs, sources)
	width, height := l.width+2*margin, l.height+2*margin
	fmt.Fprintf(b, "<svg%s role=\"img\" aria-label=\"Graph of the stages\" viewBox=\"%d %d %d %d\" width=\"%d\" height=\"%d\">\n", attributes, -margin, -margin, width, height, width, height)
	b.WriteString(style)
	b.WriteString(`<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#57606a"/></marker></defs>` + "\n")
	for i, e := range edges {
		l.drawEdge(b, l.lines[i], e)
	}
	for i, n := range nodes {
		drawNode(b, n, &l.boxes[i], links)
	}
	b.WriteString("</svg>\n")
}

// sizeOf returns a box that has room for a node.
func sizeOf(n node) box {
	chars := max(utf8.RuneCountInString(clip(n.title)), utf8.RuneCountInString(clip(n.note)))
	x := box{width: max(minWidth, chars*charWidth+2*nodePadding), height: titleHeight + noteHeight + nodePadding/2}
	if n.stage != nil && len(n.stage.Steps) > 0 {
		x.height += squareSize + nodePadding/2
		x.width = max(x.width, min(len(n.stage.Steps), maxSquares)*(squareSize+3)+2*nodePadding)
	}
	return x
}

// clip shortens a text to maxTitle characters.
func clip(s string) string {
	if utf8.RuneCountInString(s) <= maxTitle {
		return s
	}
	return string([]rune(s)[:maxTitle-1]) + "…"
}

// drawNode draws a node: a frame, two lines of text, and a square for each step.
func drawNode(b *strings.Builder, n node, x *box, links bool) {
	class, id := "node source", n.id
	if n.stage != nil {
		class = "node stage"
		if !n.stage.Reachable {
			class += " unneeded"
		}
	}
	if links && n.stage != nil {
		fmt.Fprintf(b, "<a href=\"#%s\" data-node=\"%s\">", id, id)
	}
	fmt.Fprintf(b, "<g class=\"%s\"><title>%s</title>", class, html.EscapeString(n.title+"\n"+n.note))
	rx := 6
	if n.stage == nil {
		rx = x.height / 2
	}
	fmt.Fprintf(b, "<rect class=\"box\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"%d\"/>", x.x, x.y, x.width, x.height, rx)
	if n.stage != nil && n.stage.Target {
		fmt.Fprintf(b, "<rect class=\"inner\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"4\"/>", x.x+3, x.y+3, x.width-6, x.height-6)
	}
	left := x.x + nodePadding
	fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\">%s</text>", left, x.y+titleHeight-3, html.EscapeString(clip(n.title)))
	fmt.Fprintf(b, "<text class=\"note\" x=\"%d\" y=\"%d\">%s</text>", left, x.y+titleHeight+noteHeight-5, html.EscapeString(clip(n.note)))
	if n.stage != nil {
		for i, s := range n.stage.Steps[:min(len(n.stage.Steps), maxSquares)] {
			fmt.Fprintf(b, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>", s.class(), left+i*(squareSize+3), x.y+titleHeight+noteHeight+3, squareSize, squareSize)
		}
	}
	b.WriteString("</g>")
	if links && n.stage != nil {
		b.WriteString("</a>")
	}
	b.WriteByte('\n')
}

// class returns the class of a step in style sheets: failed, or its cache state.
func (s *Step) class() string {
	if s.Run != nil && s.Run.Outcome == Failed {
		return string(Failed)
	}
	return string(s.Cache)
}

// drawEdge draws an edge from the right side of its first box to the left side of the last one.
func (l *layout) drawEdge(b *strings.Builder, path line, e edge) {
	if path == nil {
		return
	}
	right := func(i int) (int, int) { x := l.boxes[i]; return x.x + x.width, x.y + x.height/2 }
	x, y := right(path[0])
	fmt.Fprintf(b, "<g class=\"edge %s\"><title>%s</title><path marker-end=\"url(#arrow)\" d=\"M%d %d", e.kind, html.EscapeString(strings.TrimSpace(e.kind.text()+" "+e.label)), x, y)
	for _, i := range path[1:] {
		to := l.boxes[i]
		tx, ty := to.x, to.y+to.height/2
		mid := (x + tx) / 2
		fmt.Fprintf(b, "C%d %d %d %d %d %d", mid, y, mid, ty, tx, ty)
		if x, y = right(i); to.virtual {
			fmt.Fprintf(b, "H%d", x)
		}
	}
	b.WriteString("\"/></g>\n")
}
