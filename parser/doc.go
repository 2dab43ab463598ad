// Package parser reads what is written in a Dockerfile: BuildKit's grammar
// with exact positions.
//
// BuildKit's own parser package decides what is one instruction, which words
// are flags and where a heredoc ends, so that the two can never drift apart.
// Over its nodes this package lays ranges: each logical line is rebuilt from
// the file's bytes as a [source.Text], which must equal the node's own text,
// and every word is a slice of it. The nodes of a [File] tile it, so that
// printing them gives the file back byte for byte.
//
//	f, diags := parser.Parse(source.NewFile("Dockerfile", content))
//	for _, in := range f.Instructions() { … }
//
// Not here: what an instruction means (instructions), variables (plan).
package parser
