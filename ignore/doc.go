// Package ignore parses ignore files (.dockerignore, Dockerfile.dockerignore)
// and decides which paths they exclude from a context.
//
// It parses lines by BuildKit's rules and matches paths with BuildKit's
// library, so its decisions equal a builder's. [Matcher.Ignores] decides about
// one path and returns the decisive rule.
//
//	m, err := ignore.Parse(source.NewFile(".dockerignore", []byte("a\n!a/b\n")))
//	ignored, rule := m.Ignores("a/b") // false, the second line
//
// Out of scope: finding and reading the file (package frontend/inputs), and
// excluding files, which the client that sends them does.
package ignore
