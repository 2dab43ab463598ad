package parser

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"slipway/source"
)

// Dump writes the tree as text, for debugging and golden tests. Each node, word, heredoc
// and run of empty lines in an instruction is a line of the dump. The line starts with
// the range, line:column-line:column, whose end is exclusive. Dump returns the first
// error of w.
func Dump(w io.Writer, f *File) error {
	d := dumper{w: bufio.NewWriter(w)}
	if f.Escape != '\\' {
		d.printf("escape %c\n", f.Escape)
	}
	for _, n := range f.Nodes {
		d.node(n)
	}
	return d.w.Flush()
}

// dumper writes a syntax tree as text. Its bufio.Writer records the first error.
type dumper struct{ w *bufio.Writer }

func (d dumper) printf(format string, args ...any) { fmt.Fprintf(d.w, format, args...) }

// node writes a node of the tree: its range, its kind such as "blank", and its contents.
func (d dumper) node(n Node) {
	if n, ok := n.(*Comment); ok {
		d.comments(n)
		return
	}
	d.printf("%s ", formatRange(n.Range()))
	switch n := n.(type) {
	case *Comment: // handled above
	case *Blank:
		d.printf("blank\n")
	case *Directive:
		d.printf("directive\n")
		d.printf("  %s name %q\n", formatRange(n.Name.Range()), n.Name)
		d.printf("  %s value %q\n", formatRange(n.Value.Range()), n.Value)
	case *Instruction:
		d.instruction(n)
	}
}

// comments writes one line of output for each line of a comment.
func (d dumper) comments(n *Comment) {
	for line := range lines(n.Rng) {
		text, _ := commentText(line)
		d.printf("%s comment %q\n", formatRange(line), text)
	}
}

// instruction writes an instruction with its words, heredocs, runs of empty lines and
// documentation.
func (d dumper) instruction(n *Instruction) {
	d.printf("instruction %s\n", strings.ToUpper(n.Keyword.String()))
	if r := n.Line.Range(); r.String() != n.Line.String() {
		d.printf("  %s line %q\n", formatRange(r), n.Line)
	}
	d.printf("  form %s\n", formName(n.Args))
	for role, w := range n.Words() {
		d.printf("  %s %s %q", formatRange(w.Text.Range()), role, w.Value)
		if text := w.Text.String(); text != w.Value {
			d.printf(" written %q", text)
		}
		d.printf("\n")
	}
	for _, h := range n.Heredocs {
		d.printf("  %s body of %q%s\n", formatRange(h.Body), h.Name, heredocKind(h))
		d.printf("  %s end of %q\n", formatRange(h.End), h.Name)
	}
	for _, g := range n.Gaps {
		d.printf("  %s gap\n", formatRange(g))
	}
	for _, c := range n.Doc() {
		d.printf("  %s doc %q\n", formatRange(c.Range()), c)
	}
}

// heredocKind describes how a heredoc differs from a plain <<NAME, for example by quotes.
func heredocKind(h Heredoc) string {
	var s string
	if h.FD != 0 {
		s += fmt.Sprintf(", fd %d", h.FD)
	}
	if h.Chomp {
		s += ", chomp"
	}
	if !h.Expand {
		s += ", quoted"
	}
	return s
}

// formName returns the name that dumps use for the type of a, such as "words" or "json".
func formName(a Args) string {
	switch a := a.(type) {
	case *Raw:
		return "string"
	case *Words:
		return "words"
	case *JSON:
		return "json"
	case *Pairs:
		if a.Legacy {
			return "pair"
		}
		return "pairs"
	case *Typed:
		return "type " + formName(a.Args)
	case *Sub:
		return "instruction " + formName(a.Instruction.Args)
	}
	return "none"
}

// formatRange formats a range as line:column-line:column.
func formatRange(r source.Range) string {
	if r.IsZero() {
		return "nowhere"
	}
	from, to := r.File.Position(r.Start), r.File.Position(r.End)
	return fmt.Sprintf("%d:%d-%d:%d", from.Line, from.Column, to.Line, to.Column)
}
