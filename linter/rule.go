package linter

import (
	"slipway/instructions"
	"slipway/parser"
	"slipway/plan"
)

// Rule is one check.
type Rule struct {
	Name         string // as configuration names it
	Description  string // what should be so, in one sentence
	URL          string // of its page; "" without
	Experimental bool   // runs only if the configuration names it

	Checks
}

// Checks are the functions of a rule; most have one. They are called in the
// order of the fields, and of the rules for the same thing. Nothing of a later
// field is called if what it needs could not be made because of an error.
type Checks struct {
	// File is called first, with a file that is a Dockerfile by its grammar.
	File func(*Pass, *parser.File)
	// Instruction is called for each instruction up to the first one with an
	// error, which is included.
	Instruction func(*Pass, *parser.Instruction)
	// Stage is called for each stage if all instructions are right.
	Stage func(*Pass, *instructions.Stage)
	// Dockerfile is called once after that.
	Dockerfile func(*Pass, *instructions.Dockerfile)
	// Globals is called when the predefined ARGs are known.
	Globals func(*Pass, *plan.Plan)
	// From is called for the words of each FROM: its base, and its platform.
	From func(*Pass, *plan.From, *plan.Expansion)
	// Base is called for each stage whose base image was looked up.
	Base func(*Pass, *plan.Stage, *plan.FromImage)
	// Fact is called for each fact of each evaluated instruction.
	Fact func(*Pass, *plan.Visit, plan.Fact)
	// Visit is called for each evaluated instruction, after its facts: the i-th
	// of the stage.
	Visit func(p *Pass, st *plan.Stage, i int)
}
