package parser

import (
	"bytes"
	"io"
	"unicode"
	"unicode/utf8"
)

// longComment is the length from which on a comment is left to BuildKit's
// parser, which refuses lines that are too long.
const longComment = 1 << 10

// commentless reads a file line for line, but of comments only the #. Their
// text is taken from the file itself; BuildKit's parser would copy each one.
type commentless struct {
	next  []byte // what is read next
	lines []byte // what follows and may have comments
	tail  []byte // what follows those
	bare  []byte // a line with a comment without text
}

// withoutComments returns the file for BuildKit's parser. What looks like a
// comment is one up to the first heredoc.
func (p *layout) withoutComments() io.Reader {
	b := p.file.Bytes
	end := len(b)
	if i := bytes.Index(b, []byte("<<")); i >= 0 {
		end = p.file.LineStart(p.file.Position(i).Line)
	}
	// Directives are comments that mean something, and the line that ends them
	// may be a faulty one.
	start := min(p.file.LineStart(len(p.directives)+2), end)
	if bytes.IndexByte(b[start:end], '#') < 0 {
		return bytes.NewReader(b)
	}
	return &commentless{next: b[:start], lines: b[start:end], tail: b[end:], bare: []byte("#\n")}
}

// Read reads no more than the rest of a line.
func (c *commentless) Read(p []byte) (int, error) {
	if len(c.next) == 0 && !c.advance() {
		return 0, io.EOF
	}
	n := copy(p, c.next)
	c.next = c.next[n:]
	return n, nil
}

// advance goes to the next line, or to the tail.
func (c *commentless) advance() bool {
	if len(c.lines) == 0 {
		c.next, c.tail = c.tail, nil
		return len(c.next) > 0
	}
	end := bytes.IndexByte(c.lines, '\n') + 1
	if end == 0 {
		end = len(c.lines)
	}
	c.next, c.lines = c.lines[:end], c.lines[end:]
	if end >= longComment || !isComment(c.next) {
		return true
	}
	bare := c.bare
	if c.next[end-1] != '\n' {
		bare = bare[:1]
	}
	c.next = bare
	return true
}

// isComment tells whether a line starts with #, perhaps behind white space.
func isComment(line []byte) bool {
	if len(line) > 0 && line[0] > ' ' && line[0] < utf8.RuneSelf {
		return line[0] == '#'
	}
	line = bytes.TrimLeftFunc(line, unicode.IsSpace)
	return len(line) > 0 && line[0] == '#'
}
