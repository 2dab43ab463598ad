package include

import (
	"strings"

	"slipway/diag"
	"slipway/parser"
)

// placed is an instruction of the result with the file that contains it.
type placed struct {
	in *parser.Instruction
	of *unit
}

// isFrom reports whether the instruction is FROM.
func (p placed) isFrom() bool { return strings.EqualFold(p.in.Keyword.String(), "from") }

// checkStages returns an error if a file with stages of its own is included where its
// instructions would become part of another stage, or would take up those of another file.
func (r *resolver) checkStages(top *unit) error {
	var list []placed
	if d := r.place(top, &list); d != nil {
		return d
	}
	return nil
}

// place appends the instructions of a file to the list, and checks the files that it includes.
func (r *resolver) place(u *unit, list *[]placed) *diag.Diagnostic {
	var stages *unit // the file with stages that the previous item includes
	var from placed  // a FROM of that file
	for _, it := range u.items {
		in, ok := it.node.(*parser.Instruction)
		switch {
		case !ok:
			continue
		case it.include == nil:
			p := placed{in, u}
			if stages != nil && !p.isFrom() {
				return diag.Errorf(in.Keyword.Range(), "%s has stages of its own: only FROM or INCLUDE may follow", stages.name()).In(in.Rng).
					Note(from.in.Keyword.Range(), "a stage of the included file")
			}
			*list = append(*list, p)
			stages = nil
			continue
		}
		for _, sub := range it.units {
			start := len(*list)
			if d := r.place(sub, list); d != nil {
				return d
			}
			f, d := firstFrom((*list)[:start], (*list)[start:])
			if d != nil {
				return d
			}
			if f.in != nil {
				stages, from = sub, f
			}
		}
	}
	return nil
}

// firstFrom returns the first FROM of an included file. It returns an error if other
// instructions precede it, although they would belong to a stage of another file. The parameter
// before contains the instructions before the file.
func firstFrom(before, included []placed) (placed, *diag.Diagnostic) {
	for i, p := range included {
		if !p.isFrom() {
			continue
		}
		for _, b := range before {
			if i > 0 && b.isFrom() {
				first := included[0].in
				return p, diag.Errorf(first.Keyword.Range(), "%s has stages of its own, and this instruction would be part of the stage above the INCLUDE: include the file before the first FROM", p.of.name()).
					In(first.Rng).Note(b.in.Keyword.Range(), "the first FROM")
			}
		}
		return p, nil
	}
	return placed{}, nil
}
