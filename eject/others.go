package eject

import (
	"strings"

	"slipway/parser"
	"slipway/plan"
	"slipway/source"
)

// isFrom reports whether an instruction is FROM.
func isFrom(in *parser.Instruction) bool { return strings.EqualFold(in.Keyword.String(), "from") }

// printOthers prints the stages of other Dockerfiles that stages of the Dockerfile need. The
// comments and empty lines since the last instruction are printed after them.
func (r *renderer) printOthers() {
	if len(r.plan.Others) == 0 {
		return
	}
	gap := r.gap
	for _, s := range r.plan.Others {
		r.gap = nil
		next, needed := 0, false
		for _, n := range s.Dockerfile.File.Nodes {
			in, isInstruction := n.(*parser.Instruction)
			if isInstruction && isFrom(in) {
				needed = false
				if l := r.plan.Lowered[in]; l == nil || !l.Omit {
					needed = r.stage(s, next)
					next++
				}
			}
			switch {
			case needed:
				r.begin(n.Range().File)
				r.node(n)
			case isInstruction:
				r.gap = nil
			default:
				r.gap = append(r.gap, n)
			}
		}
	}
	if _, blank := first(gap).(*parser.Blank); !blank && r.stages > 0 {
		r.out.WriteByte('\n')
	}
	r.gap, r.file = gap, nil
}

// first returns the first node of a list, or nil.
func first(list []parser.Node) parser.Node {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

// begin prints where the following nodes come from, above the comments that precede them.
func (r *renderer) begin(f *source.File) {
	if f == r.file {
		return
	}
	gap := r.gap
	r.gap = nil
	r.enter(f)
	for len(gap) > 0 && r.isTop(gap[0]) {
		gap = gap[1:]
	}
	r.gap = gap
}

// isTop reports whether a node at the top of a file is an empty line, a parser directive or a
// gate.
func (*renderer) isTop(n parser.Node) bool {
	switch n := n.(type) {
	case *parser.Blank, *parser.Directive:
		return true
	case *parser.Comment:
		return withoutGate(n.Rng.String()) == ""
	default:
		return false
	}
}

// stage reports whether a stage of the Dockerfile needs the stage with the number i of another
// Dockerfile, and counts it.
func (r *renderer) stage(s *plan.Scope, i int) bool {
	st := s.Stage(i)
	if !st.Reachable {
		return false
	}
	r.stages++
	return true
}

// escapeOf returns the escape character of a file.
func (r *renderer) escapeOf(f *source.File) byte {
	for _, s := range r.plan.Others {
		for _, in := range s.Dockerfile.File.Included {
			if in.Source == f {
				return in.Escape
			}
		}
		if s.Dockerfile.File.Source == f {
			return s.Dockerfile.File.Escape
		}
	}
	return r.root.EscapeOf(f)
}
