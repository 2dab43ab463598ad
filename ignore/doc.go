// Package ignore reads ignore files (.dockerignore, Dockerfile.dockerignore)
// and tells what they leave out of a context, and why.
//
// Lines are read with BuildKit's rules and matched with its library, so that an
// answer is what a builder does. [Matcher.Ignores] answers for one path and
// names the rule that decided.
//
//	m, err := ignore.Parse(source.NewFile(".dockerignore", []byte("a\n!a/b\n")))
//	ignored, rule := m.Ignores("a/b") // false, the second line
//
// Not here: finding and reading the file (frontend/inputs), leaving files out
// (the client that sends them).
package ignore
