// Package instructions parses the instructions of a Dockerfile into immutable Go types,
// one for each of the 18 keywords. It validates the flags.
//
// It does not expand variables. Words in which package plan will expand variables have
// the type [parser.Word].
//
//	d, diags := instructions.Parse(file)
//	for _, st := range d.Stages {
//		for _, c := range st.Commands {
//			switch c := c.(type) {
//			case *instructions.Run: …
//
// Package linter reports warnings about instructions.
package instructions
