package parser

import "github.com/moby/buildkit/frontend/dockerfile/parser"

// ParseHeredoc reads a word as a heredoc, <<NAME. The result has neither body
// nor place.
func ParseHeredoc(word string) (Heredoc, bool) {
	h, err := parser.ParseHeredoc(word)
	if err != nil || h == nil {
		return Heredoc{}, false
	}
	return Heredoc{Name: h.Name, Expand: h.Expand, Chomp: h.Chomp, FD: h.FileDescriptor}, true
}

// IsHeredoc tells whether the text is one heredoc word and nothing else.
func IsHeredoc(word string) bool {
	_, ok := ParseHeredoc(word)
	return ok
}

// Chomp removes the leading tabs of all lines, as <<- asks for.
func Chomp(body string) string { return parser.ChompHeredocContent(body) }
