package parser

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"slipway/source"
)

// joinWords combines the values of words with their source texts. BuildKit's parser
// returns the values as a linked list of nodes. If the numbers of values and texts
// differ, which should not happen, each word gets the text of all arguments.
func joinWords(n *parser.Node, texts []source.Text, all source.Text) []Word {
	words := make([]Word, 0, len(texts))
	for ; n != nil; n = n.Next {
		w := Word{Value: n.Value, Text: all}
		if len(words) < len(texts) {
			w.Text = texts[len(words)]
		}
		words = append(words, w)
	}
	if len(words) != len(texts) {
		for i := range words {
			words[i].Text = all
		}
	}
	return words
}

// splitWords splits a text at white space. Quotes have no effect.
func splitWords(t source.Text) []source.Text {
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

// splitQuoted splits t at white space outside of quotes. An escape character quotes the
// next character, except inside single quotes.
func (p *layout) splitQuoted(t source.Text) []source.Text {
	var words []source.Text
	s := t.String()
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if unicode.IsSpace(r) {
			i += n
			continue
		}
		end := i + p.quotedWord(s[i:])
		// Upstream: an escape character at the end of the line is dropped. A word that
		// consists of nothing else does not exist.
		if end < len(s) || s[i:] != string(p.escape) {
			words = append(words, t.Slice(i, end))
		}
		i = end
	}
	return words
}

// quotedWord returns the length of the word at the start of s. The word ends at white
// space outside of quotes. An escape character quotes the next character, except inside
// single quotes.
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

// cutEquals splits t at its first = into key and value. If t contains no =, key is t, and
// value is the empty text at the end of t.
func cutEquals(t source.Text) (key, value source.Text) {
	i := strings.IndexByte(t.String(), '=')
	if i < 0 {
		return t, t.Slice(t.Len(), t.Len())
	}
	return t.Slice(0, i), t.Slice(i+1, t.Len())
}
