package format

import (
	"strings"

	"slipway/parser"
	"slipway/source"
)

// part is a piece of an instruction, such as a keyword, a flag or a word. White space between
// parts is layout. White space inside a part belongs to its meaning.
type part struct {
	start, end int    // offsets in the file
	text       string // the text to print; "" if the part stays as it is
	tight      bool   // whether no blank separates the part from the part before it
	script     bool   // whether a shell runs the part
}

// partsOf returns the parts of an instruction in file order. It returns nil if they cannot be
// told apart.
func (p *printer) partsOf(in *parser.Instruction) []part {
	list := partList{src: p.src}
	keyword := in.Keyword.String()
	list.add(in.Keyword.Range(), p.keyword(keyword, IsKeyword(keyword)))
	for _, f := range in.Flags {
		list.add(f.Text.Range(), "")
	}
	head := len(list.parts)
	p.args(&list, in)
	if list.overlap && in.Rest.Len() > 0 {
		list = partList{src: p.src, parts: list.parts[:head]}
		list.add(in.Rest.Range(), "")
	}
	if list.overlap {
		return nil
	}
	return list.parts
}

// args adds the arguments of an instruction to the list.
func (p *printer) args(list *partList, in *parser.Instruction) {
	switch a := in.Args.(type) {
	case *parser.Words:
		for i, w := range a.Words {
			list.add(w.Text.Range(), p.fromAs(in, a, i))
		}
	case *parser.Pairs:
		list.addPairs(a)
	case *parser.JSON:
		list.addJSON(a.Text)
	case *parser.Typed:
		list.add(a.Type.Text.Range(), p.keyword(a.Type.Text.String(), isHealthcheckType(a.Type.Text.String())))
		switch b := a.Args.(type) {
		case *parser.JSON:
			list.addJSON(b.Text)
		case *parser.Raw:
			list.addScript(b.Word.Text.Range())
		}
	case *parser.Raw:
		if isScript(in) {
			list.addScript(in.Rest.Range())
		} else {
			list.add(in.Rest.Range(), "")
		}
	case *parser.Sub, nil:
		if in.Rest.Len() > 0 {
			r := in.Rest.Range()
			if isOnbuild(in) {
				r.End = in.Line.Range().End // trailing blanks are part of the trigger in the config
			}
			list.add(r, "")
		}
	}
}

func isOnbuild(in *parser.Instruction) bool { return strings.EqualFold(in.Keyword.String(), "onbuild") }

// fromAs returns the text of the word AS in FROM image AS name. For other words, it returns "".
func (p *printer) fromAs(in *parser.Instruction, a *parser.Words, i int) string {
	if i != 1 || len(a.Words) != 3 || !strings.EqualFold(in.Keyword.String(), "from") {
		return ""
	}
	word := a.Words[i].Text.String()
	return p.keyword(word, strings.EqualFold(word, "as"))
}

// keyword returns the keyword in the case that the options select. If ok is false, it returns "".
func (p *printer) keyword(word string, ok bool) string {
	switch {
	case !ok:
		return ""
	case p.opt.Keywords == UpperCase:
		return strings.ToUpper(word)
	case p.opt.Keywords == LowerCase:
		return strings.ToLower(word)
	}
	return ""
}

// IsKeyword reports whether the word is the keyword of an instruction, in any case. Format keeps the
// case of other keywords, because they appear in error messages.
func IsKeyword(word string) bool {
	switch strings.ToLower(word) {
	case "add", "arg", "cmd", "copy", "entrypoint", "env", "expose", "from", "healthcheck", "label",
		"maintainer", "onbuild", "run", "shell", "stopsignal", "user", "volume", "workdir":
		return isASCII(word)
	}
	return false
}

func isHealthcheckType(word string) bool {
	return isASCII(word) && (strings.EqualFold(word, "cmd") || strings.EqualFold(word, "none"))
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}

// partList collects the parts of an instruction.
type partList struct {
	src     []byte
	parts   []part
	overlap bool // whether the order of the parts is not the order in the file
}

// add adds the part with the given range. If text is not "", the part is printed as text.
func (l *partList) add(r source.Range, text string) {
	if n := len(l.parts); r.Start >= r.End || n > 0 && l.parts[n-1].end > r.Start {
		l.overlap = true
		return
	}
	if text != "" && r.End-r.Start != len(text) {
		text = "" // the keyword is broken by a line end
	}
	l.parts = append(l.parts, part{start: r.Start, end: r.End, text: text})
}

// addScript adds a command that a shell runs.
func (l *partList) addScript(r source.Range) {
	if l.add(r, ""); !l.overlap {
		l.parts[len(l.parts)-1].script = true
	}
}

// addPairs adds the arguments of ENV or LABEL.
func (l *partList) addPairs(a *parser.Pairs) {
	for _, pair := range a.Pairs {
		key, value := pair.Key.Text, pair.Value.Text
		switch {
		case key.Len() == 0, a.Legacy && strings.ContainsAny(key.String(), "\\`\"'"):
			l.overlap = true // the position of an empty key is unknown, and a blank may be quoted
			return
		case a.Legacy:
			l.add(key.Range(), "")
			if value.Len() > 0 {
				l.add(value.Range(), "")
			}
		default:
			l.add(key.Range().Join(value.Range()), "")
		}
	}
}

// addJSON adds the tokens of a JSON array of strings.
func (l *partList) addJSON(t source.Text) {
	s := t.String()
	opened := false
	for i := 0; i < len(s); {
		end := i + jsonToken(s[i:])
		token := s[i:end]
		if strings.TrimLeft(token, " \t\r\n") == "" {
			i = end
			continue
		}
		l.add(t.Slice(i, end).Range(), "")
		if l.overlap {
			return
		}
		l.parts[len(l.parts)-1].tight = opened || token == "," || token == "]"
		opened = token == "["
		i = end
	}
}

// jsonToken returns the length of the first token in s: a string, a run of white space, or one
// byte.
func jsonToken(s string) int {
	switch s[0] {
	case '"':
		for i := 1; i < len(s); i++ {
			switch s[i] {
			case '\\':
				i++
			case '"':
				return i + 1
			}
		}
		return len(s)
	case ' ', '\t', '\r', '\n':
		return len(s) - len(strings.TrimLeft(s, " \t\r\n"))
	}
	return 1
}
