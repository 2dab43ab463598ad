// Package lint checks Dockerfiles for mistakes: the 22 build checks of package linter, and the
// rules of package lint/rules.
//
// A [Linter] checks any number of files. [Linter.Lint] parses a file, even if parts of it are
// invalid, plans the build, finds the shell scripts, and calls the callbacks of each [Rule]. The
// result is a list of findings, sorted by position, without those that comments such as #
// hadolint ignore=DL3008 suppress.
//
//	l := lint.New(rules.All(), lint.Settings{})
//	findings := l.Lint(ctx, source.NewFile("Dockerfile", content), lint.Options{}).Findings
//
// Rules never guess: a rule that needs the config of a base image or the files of the context
// reports nothing if these are unknown.
//
// Not here: configuration files (lint/config), output formats (lint/report), and applying fixes
// (lint/fix). The build checks of a build are in package linter.
package lint
