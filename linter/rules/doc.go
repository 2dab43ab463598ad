// Package rules has BuildKit's build checks.
//
// Each rule is a file of its own: name, texts and URL from BuildKit's catalogue,
// and the function that finds it. docs/<Name>.md explains it to users, and
// testdata/<Name>.txtar shows what it reports and what not.
//
//	linter.Run(rules.All(), in, cfg)
//
// Not here: when rules are called and which of them run (linter).
package rules
