// Package linter runs build checks on a Dockerfile and its build plan.
//
// A [Rule] is a check: its name, its texts and its callbacks. [Run] traverses the input
// once, in the order in which upstream's frontend visits it, and calls the callbacks of
// every rule for each instruction, stage and other part of the input. The diagnostics are
// therefore in upstream's order without sorting. If planning failed, Run reports the
// warnings that upstream reports before the error.
//
//	cfg, err := linter.ParseConfig("skip=StageNameCasing;error=true")
//	list := linter.Run(rules.All(), linter.Input{File: f, Dockerfile: d, Plan: p}, cfg)
//
// The range of a diagnostic is the exact source text, and its context is the lines that
// upstream reports.
//
// Package linter/rules contains the rules. Package frontend sends the warnings to the
// client.
package linter
