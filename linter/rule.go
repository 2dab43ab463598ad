package linter

import (
	"slipway/instructions"
	"slipway/parser"
	"slipway/plan"
)

// Rule is one check.
type Rule struct {
	Name         string // name used in configurations
	Description  string // the requirement, in one sentence
	URL          string // URL of the documentation, or ""
	Experimental bool   // whether the rule runs only if the configuration enables it

	Checks
}

// Checks contains the callbacks of a rule; most rules have one. The fields are
// in the order of calls. For the same element, rules are called in the order of
// [Run]'s argument. If an error prevented an input from being built, the
// callbacks for it are not called.
type Checks struct {
	// File is called first. The file is valid according to BuildKit's grammar.
	File func(*Pass, *parser.File)
	// Instruction is called for each instruction up to and including the first
	// one with an error.
	Instruction func(*Pass, *parser.Instruction)
	// Stage is called for each stage if all instructions are valid.
	Stage func(*Pass, *instructions.Stage)
	// Dockerfile is called once after the calls to Stage.
	Dockerfile func(*Pass, *instructions.Dockerfile)
	// Globals is called once with the plan, whose predefined ARGs are set.
	Globals func(*Pass, *plan.Plan)
	// From is called for each expanded word of each FROM: its base and its
	// platform.
	From func(*Pass, *plan.From, *plan.Expansion)
	// Base is called for each stage whose base image was resolved.
	Base func(*Pass, *plan.Stage, *plan.FromImage)
	// Fact is called for each fact of each evaluated instruction.
	Fact func(*Pass, *plan.Visit, plan.Fact)
	// Visit is called for each evaluated instruction of st, the i-th, after its
	// facts.
	Visit func(p *Pass, st *plan.Stage, i int)
}
