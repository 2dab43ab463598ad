// Package source maps text to the bytes of the file from which it was read.
//
// A [File] is the content of a file with its line table. A [Range] is a half-open
// interval of bytes. A [Text] is a string assembled from several ranges, such as a
// logical line without continuation characters and comments. A Text and all its slices
// retain the file position of every byte. [Text.Slice] returns a word of a continued
// line, and [Text.Range] returns the range to mark with carets.
//
//	b := source.NewBuilder(f)
//	b.Add(0, 8)   // "RUN echo"
//	b.Add(10, 14) // " foo", after a backslash and a line end
//	line := b.Text()
//	word := line.Slice(9, 12) // "foo"
//	pos := word.Range().Position()
//
// Package parser interprets lines, and package diag renders ranges.
package source
