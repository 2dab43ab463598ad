// Package format lays out Dockerfiles without changing what they build.
//
// Format returns edits, not a file. They change only white space between the parts of an
// instruction, the case of keywords, empty lines, line ends and the indentation of comments.
// The indentation inside the command of a RUN is part of the command, because BuildKit joins
// continued lines with their white space. Therefore it stays, unless [Options].Shell is set.
//
// Before Format returns, it parses its own result. The instructions must have the same
// keywords, flags, words and heredocs, and a second Format must not change anything. An
// instruction for which this does not hold stays as it is, and Format returns an error.
//
//	f, diags := parser.Parse(source.NewFile("Dockerfile", content))
//	edits, err := format.Format(f, format.Default())
//	text := diag.Apply(f.Source, edits)
//
// Comments switch the formatter off: # fmt: off up to # fmt: on, and # fmt: skip for the next
// instruction. Package format/samebuild compares the operations and configs of two files, and
// format/settings reads the options from .slipway.yaml and .editorconfig.
package format
