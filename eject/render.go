package eject

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"slipway/diag"
	"slipway/parser"
	"slipway/plan"
	"slipway/source"
)

// Result is a plain Dockerfile.
type Result struct {
	Dockerfile []byte
	Dropped    []Dropped
}

// Dropped is something that a plain Dockerfile lacks, without an effect on the image.
type Dropped struct {
	File string `json:"file"`
	Line int    `json:"line"`
	What string `json:"what"`
}

// Render prints the plain Dockerfile of a plan, in which all stages must have been evaluated. If
// an instruction has no plain equivalent, Render returns an error for each such instruction, and
// no Result.
func Render(p *plan.Plan) (*Result, diag.List) {
	root := p.Dockerfile.File
	r := &renderer{plan: p, root: root, file: root.Source}
	if d := root.Directive("syntax"); d != nil {
		r.out.WriteString("# syntax=docker/dockerfile:1\n")
	}
	stages := false
	for _, n := range root.Nodes {
		if in, ok := n.(*parser.Instruction); ok && !stages && isFrom(in) {
			stages = true
			r.printOthers()
		}
		r.node(n)
	}
	r.flush()
	if len(r.native) > 0 {
		return nil, r.native
	}
	return &Result{Dockerfile: r.out.Bytes(), Dropped: r.dropped}, nil
}

// renderer prints the nodes of a file.
type renderer struct {
	plan    *plan.Plan
	root    *parser.File
	stages  int          // the number of stages from other Dockerfiles that precede those of root
	file    *source.File // the file of the last node
	out     bytes.Buffer
	gap     []parser.Node // comments and empty lines since the last instruction
	dropped []Dropped
	native  diag.List
}

// node prints a node. Comments and empty lines are printed with the instruction that follows.
func (r *renderer) node(n parser.Node) {
	if f := n.Range().File; f != r.file {
		r.flush()
		r.enter(f)
	}
	switch n := n.(type) {
	case *parser.Directive:
		if f := n.Rng.File; f == r.root.Source && !strings.EqualFold(n.Name.String(), "syntax") {
			r.write(n.Rng.String())
		}
	case *parser.Instruction:
		if l := r.plan.Lowered[n]; l != nil && l.Omit {
			if r.gap = slices.DeleteFunc(r.gap, isComment); r.out.Len() == 0 {
				r.gap = nil
			}
			r.flush()
			return
		}
		r.flush()
		r.instruction(n)
	case *parser.Comment, *parser.Blank:
		r.gap = append(r.gap, n)
	}
}

// isComment reports whether a node is a comment.
func isComment(n parser.Node) bool {
	_, ok := n.(*parser.Comment)
	return ok
}

// enter prints where the following nodes come from.
func (r *renderer) enter(f *source.File) {
	r.file = f
	if f != r.root.Source {
		r.write("# from " + f.Name)
	}
}

// flush prints the comments and empty lines since the last instruction, without the gate.
func (r *renderer) flush() {
	for i, n := range r.gap {
		text := n.Range().String()
		if g := r.plan.Dockerfile.Gate; g != nil && contains(n.Range(), g.Range) {
			line, _ := g.Range.Lines()
			gate := g.Range.File.LineRange(line, line)
			text = text[:gate.Start-n.Range().Start] + text[gate.End-n.Range().Start:]
			if text == "" && i+1 < len(r.gap) { // the empty line that separates the gate
				r.gap[i+1] = &parser.Blank{Rng: withoutLine(r.gap[i+1].Range())}
			}
		} else if isComment(n) && r.file != r.root.Source {
			text = withoutGate(text)
		}
		r.write(text)
	}
	r.gap = r.gap[:0]
}

// contains reports whether the range outer contains the range inner.
func contains(outer, inner source.Range) bool {
	return outer.File == inner.File && outer.Start <= inner.Start && inner.End <= outer.End
}

// withoutLine returns the range r without its first line.
func withoutLine(r source.Range) source.Range {
	if i := strings.IndexByte(r.String(), '\n'); i >= 0 {
		r.Start += i + 1
	}
	return r
}

// withoutGate returns a comment of an included file without a gate at its start.
func withoutGate(text string) string {
	first, rest, _ := strings.Cut(text, "\n")
	if name, _, ok := strings.Cut(strings.TrimLeft(first, "# \t"), "="); ok && strings.TrimSpace(name) == "slipway" {
		return rest
	}
	return text
}

// write prints a text, which ends with a line end in the output.
func (r *renderer) write(text string) {
	text = strings.TrimPrefix(text, "\uFEFF")
	if text == "" {
		return
	}
	r.out.WriteString(text)
	if !strings.HasSuffix(text, "\n") {
		r.out.WriteByte('\n')
	}
}

// instruction prints an instruction.
func (r *renderer) instruction(in *parser.Instruction) {
	l := r.plan.Lowered[in]
	if l == nil {
		l = &plan.Lowering{}
	}
	if l.Native != nil {
		r.native = append(r.native, l.Native.In(in.Rng))
		return
	}
	if l.Text == "" && r.hasForeignEscape(in) {
		r.native = append(r.native, diag.Errorf(in.Keyword.Range(), "this instruction cannot be printed: %s has the escape character %c, and %s has %c",
			in.Rng.File.Name, r.escapeOf(in.Rng.File), r.root.Source.Name, r.root.Escape).In(in.Rng))
		return
	}
	for _, what := range l.Left {
		r.write("# slipway: " + what + " left out")
		r.dropped = append(r.dropped, Dropped{File: in.Rng.File.Name, Line: in.Rng.Position().Line, What: what})
	}
	for _, line := range l.Above {
		r.write(line)
	}
	if l.Text != "" {
		r.write(l.Text)
		return
	}
	var edits []diag.Edit
	for _, n := range l.Numbers {
		if r.stages > 0 {
			edits = append(edits, diag.Edit{Range: n.Range, New: strconv.Itoa(n.Number + r.stages)})
		}
	}
	r.write(apply(in.Rng, append(edits, l.Edits...)))
}

// hasForeignEscape reports whether the meaning of an instruction depends on the escape character
// of its file, which is not the one of the output.
func (r *renderer) hasForeignEscape(in *parser.Instruction) bool {
	return r.escapeOf(in.Rng.File) != r.root.Escape && strings.ContainsAny(in.Rng.String(), "\\`")
}

// apply returns the text of a range after the edits. Of overlapping edits, it applies the first
// and, if they start at the same place, the longest.
func apply(r source.Range, edits []diag.Edit) string {
	slices.SortStableFunc(edits, func(a, b diag.Edit) int {
		if d := cmp.Compare(a.Range.Start, b.Range.Start); d != 0 {
			return d
		}
		if start := a.Range.Start; a.Range.End == start || b.Range.End == start {
			return cmp.Compare(a.Range.End, b.Range.End) // an insertion precedes what follows it
		}
		return cmp.Compare(b.Range.End, a.Range.End)
	})
	var b strings.Builder
	at := r.Start
	for _, e := range edits {
		if e.Range.Start < at { // inside an earlier edit
			continue
		}
		b.Write(r.File.Bytes[at:e.Range.Start])
		b.WriteString(e.New)
		at = e.Range.End
	}
	b.Write(r.File.Bytes[at:r.End])
	return b.String()
}

// Text formats errors of [Render] for clients that print one line for each.
func Text(list diag.List) string {
	var b strings.Builder
	for _, d := range list {
		fmt.Fprintf(&b, "%s:%d: %s\n", d.Range.File.Name, d.Range.Position().Line, d.Message)
	}
	return b.String()
}
