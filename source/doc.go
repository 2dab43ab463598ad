// Package source maps text back to the bytes it was read from.
//
// A [File] is a file's bytes with its line table. A [Range] is a half-open
// interval of them. A [Text] is a string assembled from several ranges, such
// as a logical line of which continuations and comments were cut out: every
// byte of it knows where in the file it stands, and so does every slice of it.
// Splitting a word off a continued line is [Text.Slice]; where to draw the
// caret is [Text.Range].
//
//	b := source.NewBuilder(f)
//	b.Add(0, 8)   // "RUN echo"
//	b.Add(10, 14) // " foo", after a backslash and a line end
//	line := b.Text()
//	word := line.Slice(9, 12) // "foo"
//	pos := word.Range().Position()
//
// Not here: what a line means (parser), how a range is shown (diag).
package source
