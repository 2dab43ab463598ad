package plan

import (
	"slipway/parser"
	"slipway/shell"
)

// Fact is a finding of the evaluation that build checks need: *Unset, *Assigned,
// *Directory, *Exposed or *Excluded. Facts are in the order of upstream's checks. An
// instruction that fails has the facts before its error.
//
//sumtype:decl
type Fact interface{ fact() }

// Unset is a word that uses variables which are not set and which no ARG of the
// stage declares.
type Unset struct {
	Word parser.Word
	Uses []shell.Use
	Env  Env // the variables that there are
}

// Assigned is a key that ARG, ENV or LABEL gives a value.
type Assigned struct {
	Key  string // with variables expanded, but for ARG
	Word parser.Word
}

// Directory is the argument of WORKDIR.
type Directory struct {
	Path     string // with variables expanded
	Absolute bool   // for the system of the stage
	Word     parser.Word
}

// Exposed is a well-formed argument of EXPOSE. Its numbers may be invalid.
type Exposed struct {
	Port PortSpec
	Word parser.Word // that it came from
}

// Excluded is a path of the main context that COPY or ADD uses, but that the ignore file
// excludes.
type Excluded struct {
	Path string // cleaned
	Word parser.Word
}

func (*Unset) fact()     {}
func (*Assigned) fact()  {}
func (*Directory) fact() {}
func (*Exposed) fact()   {}
func (*Excluded) fact()  {}

// note records a fact of the current instruction.
func (e *evaluator) note(f Fact) { e.visit.Facts = append(e.visit.Facts, f) }

// noteUnset records the unset variables of a word.
func (e *evaluator) noteUnset(w parser.Word, unset []shell.Use) {
	var unknown []shell.Use
	for _, u := range unset {
		if !e.args[u.Name] {
			unknown = append(unknown, u)
		}
	}
	if len(unknown) > 0 {
		e.note(&Unset{Word: w, Uses: unknown, Env: e.state.Env})
	}
}
