package parser

import (
	"bytes"
	"unicode"
)

// longComment is the length from which on a comment is left to BuildKit's
// parser, which refuses lines that are too long.
const longComment = 1 << 10

// withoutComments returns the content for BuildKit's parser: line for line the
// file, but of comments only the # is left. Their text is read from the file,
// and BuildKit's parser would copy each one.
//
// What looks like a comment is one up to the first heredoc.
func (p *layout) withoutComments() []byte {
	b := p.file.Bytes
	end := len(b)
	if i := bytes.Index(b, []byte("<<")); i >= 0 {
		end = p.file.LineStart(p.file.Position(i).Line)
	}
	// Directives are comments that mean something, and the line that ends them
	// may be a faulty one.
	start := min(p.file.LineStart(len(p.directives)+2), end)
	if bytes.IndexByte(b[start:end], '#') < 0 {
		return b
	}
	out := append(make([]byte, 0, len(b)), b[:start]...)
	for line := range bytes.Lines(b[start:end]) {
		text := bytes.TrimLeftFunc(line, unicode.IsSpace)
		if len(text) < 2 || text[0] != '#' || len(line) > longComment {
			out = append(out, line...)
			continue
		}
		out = append(out, '#')
		if line[len(line)-1] == '\n' {
			out = append(out, '\n')
		}
	}
	return append(out, b[end:]...)
}
