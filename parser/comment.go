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

// longComment is the length of a comment from which on condensedReader passes
// it to BuildKit's parser unchanged. The parser must see such lines because it
// rejects lines that are too long.
const longComment = 1 << 15

// condensedReader reads a file for BuildKit's parser and replaces each run of
// comments and empty lines with a single "#" line.
//
// BuildKit's parser copies every comment and scans them again for each
// instruction, which takes quadratic time for files with many comments. The
// results are not needed: the layout reads comments from the file itself.
type condensedReader struct {
	file *source.File
	next []byte // bytes of the next Read
	line int    // the first line of the file that is not in next yet
	end  int    // from this line on, the file is passed on unchanged
	read int    // number of lines passed on, including next
	runs []run  // ascending
}

// run is a line that replaces several lines of the file. at is its line number
// in the condensed output; unseen is the number of lines dropped so far,
// including this run.
type run struct{ at, unseen int }

// newCondensedReader returns a reader of the file with comments and empty lines
// condensed. The directives at the top are unchanged.
func (p *layout) newCondensedReader() *condensedReader {
	s := &condensedReader{file: p.file, end: p.file.Lines()}
	if s.file.LineStart(s.end) < len(p.file.Bytes) {
		s.end++ // the last line has no line end
	}
	s.end = min(s.end, p.heredocLine())
	// Directives are comments with a meaning, and the line after the last one
	// may be an invalid directive.
	s.line = min(len(p.directives)+2, s.end)
	s.read = s.line - 1
	s.next = p.file.Bytes[:s.file.LineStart(s.line)]
	return s
}

// heredocLine returns the first line that may contain a heredoc, or the line
// after the last if none does. Before that line, everything that looks like a
// comment is one.
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

// advance fills next with the following lines: either a run of lines with
// content, or one "#" that replaces a run of comments and empty lines. It
// reports whether there are more lines.
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
		s.runs = append(s.runs, run{at: s.read, unseen: s.line - 1 - s.read})
	}
	s.next = []byte("#\n")
	return true
}

// ignorable reports whether BuildKit's parser ignores the line: it is empty or
// a comment.
func (s *condensedReader) ignorable(line int) bool {
	start, end := s.file.LineStart(line), s.file.LineStart(line+1)
	b := s.file.Bytes[start:end]
	c, ok := firstByte(b)
	return len(b) < longComment && (!ok || c == '#')
}

// original maps a line number of the condensed output to the file. For a line
// that replaces several, it returns the last of them.
func (s *condensedReader) original(line int) int {
	i := sort.Search(len(s.runs), func(i int) bool { return s.runs[i].at > line })
	if i == 0 {
		return line
	}
	return line + s.runs[i-1].unseen
}

// isComment reports whether the first non-space byte of line is #.
func isComment(line []byte) bool {
	c, ok := firstByte(line)
	return ok && c == '#'
}

// firstByte returns the first byte of line that is not white space.
func firstByte(line []byte) (byte, bool) {
	if len(line) == 0 || line[0] <= ' ' || line[0] >= utf8.RuneSelf {
		line = bytes.TrimLeftFunc(line, unicode.IsSpace)
	}
	if len(line) == 0 {
		return 0, false
	}
	return line[0], true
}

// lines yields each line of a range that consists of whole lines.
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

// commentText returns the text of a comment line without its first byte and
// surrounding white space. ok is false if the line is not a comment.
//
// Upstream: the first byte of an indented comment is white space, so its # is
// part of the text.
func commentText(line source.Range) (source.Text, bool) {
	line.Start, line.End = content(line)
	if !isComment(line.File.Bytes[line.Start:line.End]) {
		return source.Text{}, false
	}
	line.Start++
	return trim(line.Text()), true
}
