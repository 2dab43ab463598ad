package plan

import (
	"slipway/parser"
	"slipway/shell"
	"slipway/source"
)

// Fact is a fact that the evaluation records for build checks: *Unset, *Assigned,
// *Directory, *Exposed, *Excluded or *Advice. Facts are in the order in which upstream runs its
// checks. If an instruction fails, its Visit has the facts recorded before the error.
//
//sumtype:decl
type Fact interface{ fact() }

// Unset is a [Fact] that records a word with unset variables. It omits variables that an
// ARG of the stage declares.
type Unset struct {
	Word parser.Word
	Uses []shell.Use
	Env  Env // the variables that are set, for suggestions
}

// Assigned is a [Fact] that records the name of a variable or label that ARG, ENV or LABEL
// sets.
type Assigned struct {
	Key  string // with variables expanded, except in ARG
	Word parser.Word
}

// Directory is a [Fact] that records the argument of WORKDIR.
type Directory struct {
	Path     string // with variables expanded
	Absolute bool   // by the rules of the stage's operating system
	Word     parser.Word
}

// Exposed is a [Fact] that records an argument of EXPOSE. The syntax of the argument is
// valid, but the port numbers may be invalid.
type Exposed struct {
	Port PortSpec
	Word parser.Word // before expansion; may yield several ports
}

// Excluded is a [Fact] that records a path in the main context that a COPY or ADD reads
// although the ignore file excludes it.
type Excluded struct {
	Path string // relative to the context, cleaned
	Word parser.Word
}

// Advice is a [Fact] that records a finding about an extension.
type Advice struct {
	Check string // the name of the check that reports the finding
	Text  string
	Range source.Range
}

func (*Unset) fact()     {}
func (*Assigned) fact()  {}
func (*Directory) fact() {}
func (*Exposed) fact()   {}
func (*Excluded) fact()  {}
func (*Advice) fact()    {}

// recordFact adds f to the facts of the current instruction.
func (e *evaluator) recordFact(f Fact) { e.visit.Facts = append(e.visit.Facts, f) }

// recordUnset records an [Unset] fact for the word w, which uses the given unset variables. It
// omits variables that an ARG declares.
func (e *evaluator) recordUnset(w parser.Word, unset []shell.Use) {
	var unknown []shell.Use
	for _, u := range unset {
		if !e.args[u.Name] {
			unknown = append(unknown, u)
		}
	}
	if len(unknown) > 0 {
		e.recordFact(&Unset{Word: w, Uses: unknown, Env: e.state.Env})
	}
}
