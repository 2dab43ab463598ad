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

// longComment is the length from which on a line without content is left to
// BuildKit's parser, which refuses lines that are too long.
const longComment = 1 << 15

// sparse reads a file for BuildKit's parser: of comments and empty lines that
// follow each other there is one line. The parser would copy each one, and look
// at it again and again, for nothing: the file itself has them.
type sparse struct {
	file *source.File
	next []byte // what is read next
	line int    // the first line that is not in next yet
	end  int    // the line from which on everything is read as it stands
	read int    // how many lines were read, with those of next
	runs []run  // ascending
}

// run is a line that stands for several: the number at which it was read, and
// how many lines of the file were not, up to and with those of the run.
type run struct{ at, unseen int }

// newSparse returns a reader of the file, of which the first lines are
// directives.
func (p *layout) newSparse() *sparse {
	s := &sparse{file: p.file, end: p.file.Lines()}
	if s.file.LineStart(s.end) < len(p.file.Bytes) {
		s.end++ // the last line has no line end
	}
	s.end = min(s.end, p.heredocLine())
	// Directives are comments that mean something, and the line that ends them
	// may be a faulty one.
	s.line = min(len(p.directives)+2, s.end)
	s.read = s.line - 1
	s.next = p.file.Bytes[:s.file.LineStart(s.line)]
	return s
}

// heredocLine returns the first line that may have a heredoc; the line behind
// the last one if none has. Up to there, what looks like a comment is one.
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

// Read fills p as far as it can.
func (s *sparse) Read(p []byte) (int, error) {
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

// advance goes to the next lines, of which either none or all are without
// content.
func (s *sparse) advance() bool {
	first, start := s.line, s.file.LineStart(s.line)
	switch {
	case start == len(s.file.Bytes):
		return false
	case first >= s.end:
		s.next = s.file.Bytes[start:]
		s.line = s.file.Lines() + 1
		return true
	case !s.without(first):
		for s.line++; s.line < s.end && !s.without(s.line); s.line++ {
		}
		s.read += s.line - first
		s.next = s.file.Bytes[start:s.file.LineStart(s.line)]
		return true
	}
	for s.line++; s.line < s.end && s.without(s.line); s.line++ {
	}
	s.read++
	if s.line-first > 1 {
		s.runs = append(s.runs, run{at: s.read, unseen: s.line - 1 - s.read})
	}
	s.next = []byte("#\n")
	return true
}

// without tells whether the line has no content for BuildKit's parser.
func (s *sparse) without(line int) bool {
	start, end := s.file.LineStart(line), s.file.LineStart(line+1)
	b := s.file.Bytes[start:end]
	c, ok := firstByte(b)
	return len(b) < longComment && (!ok || c == '#')
}

// original returns the number in the file of a line that was read: of one that
// stands for several, the last one's.
func (s *sparse) original(line int) int {
	i := sort.Search(len(s.runs), func(i int) bool { return s.runs[i].at > line })
	if i == 0 {
		return line
	}
	return line + s.runs[i-1].unseen
}

// isComment tells whether a line starts with #, perhaps behind white space.
func isComment(line []byte) bool {
	c, ok := firstByte(line)
	return ok && c == '#'
}

// firstByte returns the first byte of a line that is no white space.
func firstByte(line []byte) (byte, bool) {
	if len(line) == 0 || line[0] <= ' ' || line[0] >= utf8.RuneSelf {
		line = bytes.TrimLeftFunc(line, unicode.IsSpace)
	}
	if len(line) == 0 {
		return 0, false
	}
	return line[0], true
}

// lines yields each line of whole ones.
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

// commentText returns the text of a line that is a comment: what stands behind
// its first byte, without surrounding white space.
//
// Upstream: of an indented comment that is not the #, which thus stays.
func commentText(line source.Range) (source.Text, bool) {
	line.Start, line.End = content(line)
	if !isComment(line.File.Bytes[line.Start:line.End]) {
		return source.Text{}, false
	}
	line.Start++
	return trim(line.Text()), true
}
