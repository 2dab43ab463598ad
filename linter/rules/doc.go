// Package rules implements BuildKit's build checks.
//
// Each rule has a file of its own: a function that returns the rule, with name,
// texts and URL from BuildKit's catalogue. docs/<Name>.md is its documentation
// for users. testdata/<Name>.txtar contains examples that it reports and
// examples that it accepts.
//
//	linter.Run(rules.All(), in, cfg)
//
// Out of scope: calling rules and selecting them (package linter).
package rules
