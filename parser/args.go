package parser

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"slipway/source"
)

// args gives the arguments of a node the form that its keyword calls for.
func (p *layout) args(n *parser.Node, t source.Text) Args {
	switch strings.ToLower(n.Value) {
	case "onbuild":
		return p.sub(n, t)
	case "healthcheck":
		return p.typed(n, t)
	}
	if n.Attributes["json"] {
		return jsonArgs(n.Next, t)
	}
	if n.Next == nil {
		return nil
	}
	switch strings.ToLower(n.Value) {
	case "env", "label":
		return p.pairs(n.Next, t)
	case "arg":
		return &Words{Words: pairUp(values(n.Next), p.quotedWords(t), t)}
	case "from", "expose", "add", "copy", "volume":
		return &Words{Words: pairUp(values(n.Next), separated(t), t)}
	case "cmd", "entrypoint", "run", "shell", "maintainer", "stopsignal", "user", "workdir":
		return &Raw{Word: Word{Value: n.Next.Value, Text: t}}
	}
	return nil
}

func (p *layout) sub(n *parser.Node, t source.Text) Args {
	if n.Next == nil || len(n.Next.Children) == 0 {
		return nil
	}
	in := &Instruction{Rng: t.Range(), Line: t}
	p.fill(in, n.Next.Children[0], t)
	return &Sub{Instruction: in}
}

func (p *layout) typed(n *parser.Node, t source.Text) Args {
	if n.Next == nil {
		return nil
	}
	s := t.String()
	end := strings.IndexFunc(s, func(r rune) bool { return unicode.IsSpace(r) })
	if end < 0 || end > len(n.Next.Value) {
		end = min(len(n.Next.Value), len(s))
	}
	typed := &Typed{Type: Word{Value: n.Next.Value, Text: t.Slice(0, end)}}
	rest := trim(t.Slice(end, len(s)))
	switch {
	case n.Attributes["json"]:
		typed.Args = jsonArgs(n.Next.Next, rest)
	case n.Next.Next != nil:
		typed.Args = &Raw{Word: Word{Value: n.Next.Next.Value, Text: rest}}
	}
	return typed
}

// values lists the strings of a chain of nodes.
func values(n *parser.Node) []string {
	var list []string
	for ; n != nil; n = n.Next {
		list = append(list, n.Value)
	}
	return list
}

// pairUp joins BuildKit's words with their places. Were the two ever to differ
// in number, a word is said to stand in the whole of the arguments.
func pairUp(values []string, places []source.Text, all source.Text) []Word {
	words := make([]Word, len(values))
	for i, v := range values {
		words[i] = Word{Value: v, Text: all}
		if len(places) == len(values) {
			words[i].Text = places[i]
		}
	}
	return words
}

// separated splits at white space.
func separated(t source.Text) []source.Text {
	var words []source.Text
	s := t.String()
	start := 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && !isSeparator(s[i]) {
			continue
		}
		words = append(words, t.Slice(start, i))
		for i+1 < len(s) && isSeparator(s[i+1]) {
			i++
		}
		start = i + 1
	}
	return words
}

// quotedWords splits at white space outside of quotes.
func (p *layout) quotedWords(t source.Text) []source.Text {
	var words []source.Text
	s := t.String()
	start, quote := -1, rune(0)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case start < 0:
			if unicode.IsSpace(r) {
				i += n
				continue
			}
			start = i
			continue
		case quote == 0 && unicode.IsSpace(r):
			words = append(words, t.Slice(start, i))
			start = -1
		case r == rune(p.escape) && quote != '\'':
			_, w := utf8.DecodeRuneInString(s[i+n:])
			n += w
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '\'' || r == '"':
			quote = r
		}
		i += n
	}
	if start >= 0 {
		words = append(words, t.Slice(start, len(s)))
	}
	return words
}

// pairs are the arguments of ENV and LABEL: triples of key, value, separator.
func (p *layout) pairs(n *parser.Node, t source.Text) Args {
	list := values(n)
	if len(list) == 3 && list[2] == "" {
		s := t.String()
		i := min(len(list[0]), len(s))
		j := i
		for j < len(s) && isSeparator(s[j]) {
			j++
		}
		return &Pairs{Legacy: true, Pairs: []Pair{{
			Key:   Word{list[0], t.Slice(0, i)},
			Value: Word{list[1], t.Slice(j, len(s))},
		}}}
	}
	places := p.quotedWords(t)
	out := &Pairs{}
	for i := 0; i+2 < len(list); i += 3 {
		at := t
		if len(places) == len(list)/3 {
			at = places[i/3]
		}
		pair := Pair{Key: Word{list[i], at}, Value: Word{list[i+1], at}}
		if eq := strings.IndexByte(at.String(), '='); eq >= 0 {
			pair.Key.Text = at.Slice(0, eq)
			pair.Value.Text = at.Slice(eq+1, at.Len())
		}
		out.Pairs = append(out.Pairs, pair)
	}
	return out
}

// jsonArgs locates the strings of an array that is known to be valid and to
// have only strings.
func jsonArgs(n *parser.Node, t source.Text) Args {
	t = trim(t)
	var places []source.Text
	s := t.String()
	start := -1
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"' && start < 0:
			start = i
		case s[i] == '"':
			places = append(places, t.Slice(start, i+1))
			start = -1
		case s[i] == '\\' && start >= 0:
			i++
		}
	}
	return &JSON{Text: t, Words: pairUp(values(n), places, t)}
}
