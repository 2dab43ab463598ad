// Package parser parses Dockerfiles with BuildKit's grammar and adds exact
// source positions.
//
// BuildKit's own parser package decides where an instruction ends, which words
// are flags, and where a heredoc ends, so our reading cannot drift from
// upstream's. This package adds ranges to BuildKit's nodes: it rebuilds each
// logical line from the file's bytes as a [source.Text], which must equal the
// node's text, and every word is a slice of that text. The nodes of a [File]
// tile the file, so printing them reproduces it byte for byte.
//
//	f, diags := parser.Parse(source.NewFile("Dockerfile", content))
//	for _, in := range f.Instructions() { … }
//
// Out of scope: the meaning of an instruction (package instructions) and
// variables (package plan).
package parser
