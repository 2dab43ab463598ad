// Package rules implements BuildKit's build checks.
//
// Each rule has its own file with a function that returns the rule. Name, texts and URL
// come from BuildKit's catalogue. docs/<Name>.md is the documentation for users.
// testdata/<Name>.txtar contains examples that the rule reports and examples that it
// accepts.
//
//	linter.Run(rules.All(), in, cfg)
//
// Package linter selects and calls the rules.
package rules
