package answers

import (
	"fmt"
	"strings"
)

// writeDot writes the graph in the language of Graphviz.
func (p *Plan) writeDot(b *strings.Builder) {
	b.WriteString("digraph build {\n\trankdir=LR\n\tnode [fontname=\"sans-serif\" shape=box]\n\tedge [fontname=\"sans-serif\" fontsize=10]\n")
	for _, n := range p.nodes() {
		style := ""
		switch {
		case n.stage == nil:
			style = " shape=ellipse"
		case !n.stage.Reachable:
			style = " color=gray fontcolor=gray"
		case n.stage.Target:
			style = " peripheries=2"
		}
		fmt.Fprintf(b, "\t%s [label=%s%s]\n", n.id, dotString(n.title+"\n"+n.note), style)
	}
	for _, e := range p.edges() {
		fmt.Fprintf(b, "\t%s -> %s [style=%s", e.from, e.to, dotStyle(e.kind))
		if e.label != "" {
			fmt.Fprintf(b, " label=%s", dotString(e.label))
		}
		b.WriteString("]\n")
	}
	b.WriteString("}\n")
}

// dotStyle returns the line style of an edge.
func dotStyle(k NeedKind) string {
	switch k {
	case NeedBase:
		return "solid"
	case NeedCopy:
		return "dashed"
	case NeedMount:
		return "dotted"
	}
	return "solid"
}

// dotString quotes a string for Graphviz.
func dotString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// writeMermaid writes the graph in the language of Mermaid.
func (p *Plan) writeMermaid(b *strings.Builder) {
	b.WriteString("flowchart LR\n")
	var unneeded []string
	for _, n := range p.nodes() {
		left, right := "[", "]"
		switch {
		case n.stage == nil:
			left, right = "([", "])"
		case n.stage.Target:
			left, right = "[[", "]]"
		case !n.stage.Reachable:
			unneeded = append(unneeded, n.id)
		}
		fmt.Fprintf(b, "    %s%s\"%s<br>%s\"%s\n", n.id, left, mermaidText(n.title), mermaidText(n.note), right)
	}
	for _, e := range p.edges() {
		arrow := map[NeedKind]string{NeedBase: "-->", NeedCopy: "-.->", NeedMount: "-.-o"}[e.kind]
		if e.label != "" {
			arrow += `|"` + mermaidText(e.label) + `"|`
		}
		fmt.Fprintf(b, "    %s %s %s\n", e.from, arrow, e.to)
	}
	if len(unneeded) > 0 {
		fmt.Fprintf(b, "    classDef unneeded color:gray,stroke:gray\n    class %s unneeded\n", strings.Join(unneeded, ","))
	}
}

// mermaidText escapes a text for a quoted label of Mermaid, in which HTML and entities have a
// meaning.
func mermaidText(s string) string {
	return strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "&", "#amp;", "`", "#96;").Replace(s)
}
