package parser

import (
	"bytes"
	"io"
	"iter"
	"sort"
	"unicode"
	"unicode/utf8"

	"slipway/source"
)

// longComment is the minimum length in bytes of a comment that condensedReader passes to
// BuildKit's parser unchanged. The parser must see very long lines, because it rejects them.
const longComment = 1 << 15

// condensedReader reads a file for BuildKit's parser and replaces each run of comments and
// empty lines with a single "#" line.
//
// BuildKit's parser copies every comment and scans all of them again for each instruction.
// Without the condensedReader, parsing a file with many comments takes quadratic time. The
// parser's copies are not needed, because type layout reads comments from the file itself.
type condensedReader struct {
	file *source.File
	next []byte // the output that Read returns next
	line int    // the first line of the file after the lines in next
	end  int    // the number of the first line that the output copies unchanged, with all following lines
	read int    // the number of output lines so far, including the lines in next
	runs []run  // in ascending order
}

// run records that a "#" line in the output of a condensedReader replaces several lines of
// the file. The field line is the number of the "#" line in the output. The field dropped is
// the number of file lines that the output omits up to and including the "#" line.
type run struct{ line, dropped int }

// newCondensedReader returns a condensedReader that reads the file. Its output starts
// with the parser directives, unchanged.
func (p *layout) newCondensedReader() *condensedReader {
	s := &condensedReader{file: p.file, end: p.file.Lines()}
	if s.file.LineStart(s.end) < len(p.file.Bytes) {
		s.end++ // the last line has no line end
	}
	s.end = min(s.end, p.heredocLine())
	// A directive is a comment with a meaning, and the line after the last directive may
	// be an invalid one.
	s.line = min(len(p.directives)+2, s.end)
	s.read = s.line - 1
	s.next = p.file.Bytes[:s.file.LineStart(s.line)]
	return s
}

// heredocLine returns the number of the first line that may contain a heredoc. If no line
// can, it returns the number of the line after the end of the file. Before the returned line,
// every line that looks like a comment is a comment.
func (p *layout) heredocLine() int {
	b := p.file.Bytes
	for at := 0; ; {
		i := bytes.Index(b[at:], []byte("<<"))
		if i < 0 {
			return p.file.Lines() + 1
		}
		n := p.file.Position(at + i).Line
		line := p.file.LineRange(n, n)
		if !isComment(b[line.Start:line.End]) {
			return n
		}
		at = line.End
	}
}

// Read implements io.Reader.
func (s *condensedReader) Read(p []byte) (int, error) {
	n := copy(p, s.next)
	s.next = s.next[n:]
	for n < len(p) && s.advance() {
		k := copy(p[n:], s.next)
		s.next = s.next[k:]
		n += k
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// advance sets s.next to the next part of the output: either a run of lines with content,
// or one "#" that replaces a run of comments and empty lines. It returns false at the end
// of the file.
func (s *condensedReader) advance() bool {
	first, start := s.line, s.file.LineStart(s.line)
	switch {
	case start == len(s.file.Bytes):
		return false
	case first >= s.end:
		s.next = s.file.Bytes[start:]
		s.line = s.file.Lines() + 1
		return true
	case !s.ignorable(first):
		for s.line++; s.line < s.end && !s.ignorable(s.line); s.line++ {
		}
		s.read += s.line - first
		s.next = s.file.Bytes[start:s.file.LineStart(s.line)]
		return true
	}
	for s.line++; s.line < s.end && s.ignorable(s.line); s.line++ {
	}
	s.read++
	if s.line-first > 1 {
		s.runs = append(s.runs, run{line: s.read, dropped: s.line - 1 - s.read})
	}
	s.next = []byte("#\n")
	return true
}

// ignorable reports whether the line is empty or a comment. BuildKit's parser ignores such
// lines.
func (s *condensedReader) ignorable(line int) bool {
	start, end := s.file.LineStart(line), s.file.LineStart(line+1)
	b := s.file.Bytes[start:end]
	c, ok := firstByte(b)
	return len(b) < longComment && (!ok || c == '#')
}

// fileLine converts a line number in the output of the condensedReader to a line number in
// the file. If the output line replaces several lines, it returns the number of the last
// of these lines.
func (s *condensedReader) fileLine(line int) int {
	i := sort.Search(len(s.runs), func(i int) bool { return s.runs[i].line > line })
	if i == 0 {
		return line
	}
	return line + s.runs[i-1].dropped
}

// isComment reports whether a line is a comment: its first byte that is not white space is #.
func isComment(line []byte) bool {
	c, ok := firstByte(line)
	return ok && c == '#'
}

// firstByte returns the first byte of a line that is not white space. It returns false for a
// blank line.
func firstByte(line []byte) (byte, bool) {
	if len(line) == 0 || line[0] <= ' ' || line[0] >= utf8.RuneSelf {
		line = bytes.TrimLeftFunc(line, unicode.IsSpace)
	}
	if len(line) == 0 {
		return 0, false
	}
	return line[0], true
}

// lines returns an iterator over the lines of a source range. Each line includes its line
// end. The range must start and end at line boundaries.
func lines(within source.Range) iter.Seq[source.Range] {
	return func(yield func(source.Range) bool) {
		for line := within; line.Start < within.End; line.Start = line.End {
			line.End = within.End
			if i := bytes.IndexByte(within.File.Bytes[line.Start:line.End], '\n'); i >= 0 {
				line.End = line.Start + i + 1
			}
			if !yield(line) {
				return
			}
		}
	}
}

// commentText returns the text of a comment line without its first byte and surrounding white
// space. ok is false if the line is not a comment.
//
// Upstream: the first byte is removed even if it is not #. In an indented comment, it is
// white space, and the # becomes part of the text.
func commentText(line source.Range) (source.Text, bool) {
	line.Start, line.End = content(line)
	if !isComment(line.File.Bytes[line.Start:line.End]) {
		return source.Text{}, false
	}
	line.Start++
	return trim(line.Text()), true
}
