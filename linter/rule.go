package linter

import (
	"slipway/instructions"
	"slipway/parser"
	"slipway/plan"
)

// Rule is a build check: its name, its documentation and its callbacks.
type Rule struct {
	Name         string // the name in configurations
	Description  string // the requirement in one sentence
	URL          string // the URL of the documentation, or ""
	Experimental bool   // whether the rule runs only if the configuration explicitly enables it

	Checks
}

// Checks contains the callbacks of a rule. Most rules have only one callback. The order of
// the fields is the order of the calls. For the same part of the Dockerfile, such as an
// instruction or a stage, rules are called in the order in which [Run] received them. If
// the input lacks a part because of an error, Run does not call the callbacks for this
// part.
type Checks struct {
	// File is called first. The file is valid in BuildKit's grammar.
	File func(*Pass, *parser.File)
	// Instruction is called for each instruction up to and including the first invalid
	// one.
	Instruction func(*Pass, *parser.Instruction)
	// Stage is called for each stage if all instructions are valid.
	Stage func(*Pass, *instructions.Stage)
	// Dockerfile is called once after the calls to Stage.
	Dockerfile func(*Pass, *instructions.Dockerfile)
	// Globals is called once with the plan. In an incomplete plan, at least the predefined
	// ARGs are set.
	Globals func(*Pass, *plan.Plan)
	// From is called for each expanded word in a FROM: the base and the platform.
	From func(*Pass, *plan.From, *plan.Expansion)
	// Base is called for each stage whose base image has been looked up.
	Base func(*Pass, *plan.Stage, *plan.FromImage)
	// Fact is called for each fact about each evaluated instruction, such as an unset
	// variable.
	Fact func(*Pass, *plan.Visit, plan.Fact)
	// Visit is called for each evaluated instruction, st.Visits[i], after the calls to Fact
	// for the same instruction.
	Visit func(p *Pass, st *plan.Stage, i int)
}
