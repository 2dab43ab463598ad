// Package linter runs build checks over a Dockerfile and the plan of its build.
//
// A [Rule] is a check with its name, texts and the functions that look for it.
// [Run] goes once through everything in the order in which upstream's frontend
// comes across it, and calls at each place the rules that look there: so the
// diagnostics come out in upstream's order without any sorting. Of a plan that
// ended in an error, it reports what upstream reports before that error.
//
//	cfg, err := linter.ParseConfig("skip=StageNameCasing;error=true")
//	list := linter.Run(rules.All(), linter.Input{File: f, Dockerfile: d, Plan: p}, cfg)
//
// Ranges of the diagnostics are tight; their contexts are the lines that
// upstream reports.
//
// Not here: the rules themselves (linter/rules), and how warnings get to the
// client (frontend).
package linter
