// Package include replaces INCLUDE instructions with the instructions of the files that they
// name.
//
// [Resolve] returns a [parser.File] whose nodes come from several files. Each node has its
// range in its own file, so that errors and source maps point at the file with the
// instruction. Files are read level by level: all files that can be named without knowing the
// content of another one are read together.
package include
