package answers

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"slipway/diag"
)

// Format is a format in which [Plan.WriteGraph] writes a graph.
type Format string

// The formats of graphs.
const (
	Tree    Format = "text"
	Dot     Format = "dot"
	Mermaid Format = "mermaid"
	SVG     Format = "svg"
	HTML    Format = "html"
)

// Formats returns all formats of graphs.
func Formats() []Format { return []Format{Tree, Dot, Mermaid, SVG, HTML} }

// WriteGraph writes the graph of the stages and what they read.
func (p *Plan) WriteGraph(w io.Writer, f Format) error {
	var b strings.Builder
	switch f {
	case Tree:
		p.writeTree(&b)
	case Dot:
		p.writeDot(&b)
	case Mermaid:
		p.writeMermaid(&b)
	case SVG:
		p.writeSVG(&b)
	case HTML:
		p.writeHTML(&b)
	default:
		return fmt.Errorf("unknown format %q of a graph", f)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeTree writes the target and, indented below each stage, what the stage needs. A stage that
// occurs again has no second subtree.
func (p *Plan) writeTree(b *strings.Builder) {
	t := &treeWriter{b: b, plan: p, seen: map[string]bool{}}
	for _, s := range p.Stages {
		if s.Target {
			t.stage("", "", "", s)
		}
	}
	var unneeded []string
	for _, s := range p.Stages {
		if !s.Reachable && s.For == p.Platforms[0] {
			unneeded = append(unneeded, s.label())
		}
	}
	if len(unneeded) > 0 {
		fmt.Fprintf(b, "not needed: %s\n", strings.Join(unneeded, ", "))
	}
}

// treeWriter writes a graph as a tree.
type treeWriter struct {
	b    *strings.Builder
	plan *Plan
	seen map[string]bool // IDs of stages that have been written
}

// stage writes a stage and everything below it. The parameter how is the beginning of the line
// that says how the parent reads the stage. The parameters first and indent start its first line
// and the lines below it.
func (t *treeWriter) stage(first, indent, how string, s *Stage) {
	p := t.plan
	fmt.Fprintf(t.b, "%s%s%s", first, how, s.label())
	if len(p.Platforms) > 1 && s.Target {
		fmt.Fprintf(t.b, " for %s", s.For)
	}
	if t.seen[s.ID] {
		fmt.Fprintln(t.b, " (above)")
		return
	}
	t.seen[s.ID] = true
	fmt.Fprintf(t.b, " (%s, %s)\n", p.location(s.File, s.Line), p.stepCount(s))
	for i, n := range s.Needs {
		branch, below := "├── ", "│   "
		if i == len(s.Needs)-1 {
			branch, below = "└── ", "    "
		}
		if of := p.stage(n.From); of != nil {
			t.stage(indent+branch, indent+below, n.Kind.text()+" ", of)
			continue
		}
		src := p.source(n.From)
		fmt.Fprintf(t.b, "%s%s%s %s\n", indent, branch, src.instruction(n.Kind), src.text())
	}
}

// stepCount returns the number of steps of a stage and how many of them are cached, as text.
func (p *Plan) stepCount(s *Stage) string {
	text, hits := number(len(s.Steps), "step"), 0
	for _, x := range s.Steps {
		if x.Cache == CacheHit {
			hits++
		}
	}
	if p.usesCache() {
		text += fmt.Sprintf(", %d cached", hits)
	}
	return text
}

// text returns the instruction that needs a stage or a source.
func (k NeedKind) text() string {
	switch k {
	case NeedBase:
		return "FROM"
	case NeedCopy:
		return "COPY"
	case NeedMount:
		return "RUN --mount"
	}
	return string(k)
}

// instruction returns the instruction that reads a source. Only ADD can download.
func (s *Source) instruction(k NeedKind) string {
	if k == NeedCopy && (s.Kind == SourceGit || s.Kind == SourceHTTP) {
		return "ADD"
	}
	return k.text()
}

// text describes a source in one line.
func (s *Source) text() string {
	name := diag.Line(s.Ref)
	switch s.Kind {
	case SourceContext:
		return "the build context"
	case SourceNamed:
		return "the context " + name
	case SourceImage, SourceGit, SourceHTTP:
	}
	if !s.Pinned {
		name += " (not pinned)"
	}
	return name
}

// stage returns the stage with the given ID, or nil.
func (p *Plan) stage(id string) *Stage {
	i := slices.IndexFunc(p.Stages, func(s *Stage) bool { return s.ID == id })
	if i < 0 {
		return nil
	}
	return p.Stages[i]
}

// source returns the source with the given ID. If the plan has none, it returns an empty source.
func (p *Plan) source(id string) *Source {
	i := slices.IndexFunc(p.Sources, func(s *Source) bool { return s.ID == id })
	if i < 0 {
		return &Source{}
	}
	return p.Sources[i]
}

// node is a node of a graph: a stage or a source.
type node struct {
	id          string
	title, note string
	stage       *Stage // nil for a source
}

// nodes returns the nodes of the graph: sources, then stages. The labels have no control
// characters.
func (p *Plan) nodes() []node {
	var list []node
	for _, s := range p.Sources {
		n := node{id: s.ID, title: diag.Line(s.Ref), note: string(s.Kind)}
		if s.Kind == SourceContext {
			n.title, n.note = "build context", p.contextText()
		}
		if s.Kind == SourceNamed {
			n.note = "named context"
		}
		list = append(list, n)
	}
	for _, s := range p.Stages {
		n := node{id: s.ID, title: s.label(), note: p.location(s.File, s.Line), stage: s}
		if s.Reachable {
			n.note += " · " + p.stepCount(s)
		} else {
			n.note += " · not needed"
		}
		if len(p.Platforms) > 1 {
			n.title += " for " + s.For
		}
		list = append(list, n)
	}
	return list
}

// edge is an edge of a graph, from what is read to the stage that reads it.
type edge struct {
	from, to string
	kind     NeedKind
	label    string
}

// edges returns the edges of the graph in the order of the stages.
func (p *Plan) edges() []edge {
	var list []edge
	for _, s := range p.Stages {
		for _, n := range s.Needs {
			list = append(list, edge{n.From, s.ID, n.Kind, stepList(n.Steps)})
		}
	}
	return list
}

// stepList returns "step 2", "steps 2, 3" and so on, or "" for an empty list.
func stepList(numbers []int) string {
	if len(numbers) == 0 {
		return ""
	}
	text := "step"
	if len(numbers) > 1 {
		text = "steps"
	}
	for i, n := range numbers {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprintf(" %d", n)
	}
	return text
}
