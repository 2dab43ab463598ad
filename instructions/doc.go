// Package instructions parses the instructions of a Dockerfile into one
// immutable type for each of the 18 keywords, with typed and validated flags.
// Variables are not expanded yet.
//
// Words that are expanded later have the type [parser.Word]; package plan turns
// them into strings.
//
//	d, diags := instructions.Parse(file)
//	for _, st := range d.Stages {
//		for _, c := range st.Commands {
//			switch c := c.(type) {
//			case *instructions.Run: …
//
// Out of scope: expansion and values (package plan), warnings (package linter).
package instructions
