package parser

import (
	"strings"
	"unicode"

	"slipway/source"
)

// command is a logical line, split into keyword, flags and arguments.
type command struct {
	keyword source.Text
	flags   []flagWord
	rest    source.Text // the arguments, trimmed
}

// flagWord is a word that starts with -- and precedes the arguments.
type flagWord struct {
	text   source.Text
	equals int // index of the first = in text, or -1
}

// splitCommand splits a logical line into keyword, flags and arguments.
func (p *layout) splitCommand(line source.Text) command {
	t := trim(line)
	s := t.String()
	i := 0
	for i < len(s) && !isSeparator(s[i]) {
		i++
	}
	c := command{keyword: t.Slice(0, i)}
	for i < len(s) && isSeparator(s[i]) {
		i++
	}
	t = t.Slice(i, len(s))
	pos := 0
	c.flags, pos = p.flagWords(t)
	c.rest = trim(t.Slice(pos, t.Len()))
	return c
}

// isSeparator reports whether BuildKit's grammar treats c as white space between words.
func isSeparator(c byte) bool {
	return c == '\t' || c == '\v' || c == '\f' || c == '\r' || c == ' '
}

// isSpaceByte reports whether the byte c is white space that separates two flags, or the
// type of a HEALTHCHECK from its command.
//
// Upstream: each byte is treated as a character, so the second byte of "à" (0xA0) is a
// space.
func isSpaceByte(c byte) bool { return unicode.IsSpace(rune(c)) }

// flagWords returns the flags at the start of t and the offset of the arguments. The word
// "--" ends the flags and is not part of the arguments.
func (p *layout) flagWords(t source.Text) (flags []flagWord, end int) {
	s := t.String()
	for pos := 0; ; {
		for pos < len(s) && isSpaceByte(s[pos]) {
			pos++
		}
		if !strings.HasPrefix(s[pos:], "--") {
			return flags, pos
		}
		start := pos
		end, equals, empty := p.flagWord(s[start:])
		pos += end
		if empty {
			return flags, pos
		}
		flags = append(flags, flagWord{text: t.Slice(start, pos), equals: equals})
	}
}

// flagWord parses the flag at the start of s. It returns the offset after the flag, and
// the index of the first = in the flag, or -1. The result empty reports whether the flag
// is only "--".
func (p *layout) flagWord(s string) (end, equals int, empty bool) {
	equals, empty = -1, true
	var quote byte
	for i := 2; i < len(s); i++ {
		c := s[i]
		switch {
		case quote == 0 && isSpaceByte(c):
			return i, equals, empty
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
			continue
		case quote != 0 && c == quote:
			quote = 0
			continue
		case c == p.escape:
			if i++; i == len(s) {
				return i, equals, empty
			}
		}
		empty = false
		if s[i] == '=' && equals < 0 {
			equals = i
		}
	}
	return len(s), equals, empty
}

// newFlags combines the flags that BuildKit parsed with their source texts.
func newFlags(raw []string, words []flagWord) []Flag {
	if len(raw) == 0 {
		return nil
	}
	flags := make([]Flag, 0, len(raw))
	for i, r := range raw[:min(len(raw), len(words))] {
		flags = append(flags, newFlag(r, words[i]))
	}
	return flags
}

// newFlag returns the Flag for one word. The parameter raw is the text of the flag from
// BuildKit, without quotes, and w has its source text.
func newFlag(raw string, w flagWord) Flag {
	f := Flag{Text: w.text, Raw: raw}
	f.Name, f.Value, f.HasValue = strings.Cut(strings.TrimPrefix(raw, "--"), "=")
	end := w.text.Len()
	f.NameRange = w.text.Range()
	f.ValueRange = w.text.Slice(end, end).Range()
	if f.HasValue && w.equals >= 0 {
		f.NameRange = w.text.Slice(0, w.equals).Range()
		f.ValueRange = w.text.Slice(w.equals+1, end).Range()
	}
	return f
}
