package parser

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"slipway/source"
)

// join joins BuildKit's words, a chain of nodes, with their places. Were the
// two ever to differ in number, a word is said to stand in the whole of the
// arguments.
func join(n *parser.Node, places []source.Text, all source.Text) []Word {
	words := make([]Word, 0, len(places))
	for ; n != nil; n = n.Next {
		w := Word{Value: n.Value, Text: all}
		if len(words) < len(places) {
			w.Text = places[len(words)]
		}
		words = append(words, w)
	}
	if len(words) != len(places) {
		for i := range words {
			words[i].Text = all
		}
	}
	return words
}

// separated splits at white space, without regard to quotes.
func separated(t source.Text) []source.Text {
	var words []source.Text
	s := t.String()
	for i := 0; i < len(s); {
		start := i
		for i < len(s) && !isSeparator(s[i]) {
			i++
		}
		words = append(words, t.Slice(start, i))
		for i < len(s) && isSeparator(s[i]) {
			i++
		}
	}
	return words
}

// quoted splits at white space outside of quotes, which the escape character
// hides, but not between single quotes.
func (p *layout) quoted(t source.Text) []source.Text {
	var words []source.Text
	s := t.String()
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if unicode.IsSpace(r) {
			i += n
			continue
		}
		end := i + p.quotedWord(s[i:])
		// Upstream: an escape character at the end of the line is dropped. A
		// word that is nothing else does not exist.
		if end < len(s) || s[i:] != string(p.escape) {
			words = append(words, t.Slice(i, end))
		}
		i = end
	}
	return words
}

// quotedWord returns how long the word at the start of s is.
func (p *layout) quotedWord(s string) int {
	escape := rune(p.escape)
	var quote rune
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case quote == 0 && unicode.IsSpace(r):
			return i
		case r == escape && quote != '\'':
			_, w := utf8.DecodeRuneInString(s[i+n:])
			n += w
		case quote == 0 && (r == '\'' || r == '"'):
			quote = r
		case r == quote:
			quote = 0
		}
		i += n
	}
	return len(s)
}

// cutEquals splits a text at its first =; without one, the second part is the
// empty text behind the first.
func cutEquals(t source.Text) (key, value source.Text) {
	i := strings.IndexByte(t.String(), '=')
	if i < 0 {
		return t, t.Slice(t.Len(), t.Len())
	}
	return t.Slice(0, i), t.Slice(i+1, t.Len())
}
