// Package ignore parses ignore files (.dockerignore, Dockerfile.dockerignore) and decides
// which paths they exclude from a context.
//
// It parses lines by BuildKit's rules and matches paths with BuildKit's library, so its
// decisions equal the decisions in a build. [Matcher.Ignores] decides whether one path is
// excluded, and returns the decisive rule.
//
//	m, err := ignore.Parse(source.NewFile(".dockerignore", []byte("a\n!a/b\n")))
//	ignored, rule := m.Ignores("a/b") // false, the second line
//
// Package frontend/inputs finds and reads the file. The client that sends a context
// leaves out the excluded files.
package ignore
