// Package parser parses Dockerfiles with BuildKit's grammar and adds exact source
// positions.
//
// BuildKit's own parser package decides where an instruction ends, which words are flags,
// and where a heredoc ends. The syntax tree therefore cannot diverge from BuildKit's.
// This package adds ranges to BuildKit's nodes. It rebuilds each logical line from the
// bytes of the file as a [source.Text], which must equal the text of the node. Every word
// is a slice of that text. The nodes of a [File] cover it without gaps, so that [Print]
// reproduces it byte for byte.
//
//	f, diags := parser.Parse(source.NewFile("Dockerfile", content))
//	for _, in := range f.Instructions() { … }
//
// The meaning of an instruction is the subject of package instructions, and package plan
// expands variables.
package parser
