// Package source maps text back to the bytes it was read from.
//
// A [File] is the content of a file with its line table. A [Range] is a
// half-open interval of bytes. A [Text] is a string assembled from several
// ranges, such as a logical line without its continuation characters and
// comments. A text and all its slices know the position of every byte in the
// file. [Text.Slice] returns a word of a continued line, and [Text.Range] the
// range to mark with carets.
//
//	b := source.NewBuilder(f)
//	b.Add(0, 8)   // "RUN echo"
//	b.Add(10, 14) // " foo", after a backslash and a line end
//	line := b.Text()
//	word := line.Slice(9, 12) // "foo"
//	pos := word.Range().Position()
//
// Out of scope: the meaning of a line (package parser), and rendering a range
// (package diag).
package source
