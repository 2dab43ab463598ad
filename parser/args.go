package parser

import (
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"slipway/source"
)

// maxDepth is the maximum depth of nested ONBUILDs (ONBUILD ONBUILD …) that the parser
// follows. Nested ONBUILDs are an error anyway. Without the limit, a line with millions of
// ONBUILDs would overflow the stack.
const maxDepth = 100

// form is the syntax of an instruction's arguments, such as words or KEY=VALUE pairs.
type form int

const (
	formNone     form = iota
	formString        // the rest of the line
	formCommand       // a JSON array, or the rest of the line
	formList          // a JSON array, or words
	formWords         // words between white space
	formQuoted        // words between white space outside of quotes
	formPairs         // KEY=VALUE…, or KEY VALUE
	formTyped         // a word, followed by a command in the form formCommand
	formSub           // another instruction
	formExtended      // words between white space outside of quotes; BuildKit's grammar ignores the arguments
)

// formOf returns the form of an instruction's arguments, or formNone if the keyword is
// unknown. It ignores the case of the keyword.
func formOf(keyword string) form {
	switch strings.ToLower(keyword) {
	case "maintainer", "stopsignal", "user", "workdir":
		return formString
	case "cmd", "entrypoint", "run", "shell":
		return formCommand
	case "add", "copy", "volume":
		return formList
	case "expose", "from":
		return formWords
	case "arg":
		return formQuoted
	case "env", "label":
		return formPairs
	case "healthcheck":
		return formTyped
	case "onbuild":
		return formSub
	case "include", "let", "unset":
		return formExtended
	}
	return formNone
}

// args builds the Args of an instruction from BuildKit's node, in the form that the
// keyword requires.
func (p *layout) args(in *Instruction, n *parser.Node, depth int) Args {
	t := in.Rest
	form := formOf(n.Value)
	switch {
	case form == formTyped:
		return typedArgs(n, t)
	case form == formExtended:
		return p.extendedArgs(t)
	case n.Attributes["json"]:
		return newJSON(n.Next, t)
	case n.Next == nil:
		return nil
	}
	switch form {
	case formString, formCommand:
		return &Raw{Word: Word{Value: n.Next.Value, Text: t}}
	case formList, formWords:
		return &Words{Words: joinWords(n.Next, splitWords(t), t)}
	case formQuoted:
		return &Words{Words: joinWords(n.Next, p.splitQuoted(t), t)}
	case formPairs:
		return p.pairs(n.Next, t)
	case formSub:
		return p.sub(in, n.Next.Children, depth)
	}
	return nil
}

// extendedArgs builds the arguments of an instruction that is an extension of Slipway. BuildKit's
// tree does not contain them.
func (p *layout) extendedArgs(t source.Text) Args {
	var words []Word
	for _, w := range p.splitQuoted(t) {
		words = append(words, Word{Value: w.String(), Text: w})
	}
	if words == nil {
		return nil
	}
	return &Words{Words: words}
}

// newJSON builds the [JSON] arguments of an instruction. BuildKit's node n and the nodes
// linked to it contain the strings of the array, and t is the source text of the array.
func newJSON(n *parser.Node, t source.Text) *JSON {
	return &JSON{Text: t, Words: joinWords(n, jsonElements(t), t)}
}

// sub builds the instruction after ONBUILD. It returns nil if no instruction follows, or
// if ONBUILDs are nested too deeply.
func (p *layout) sub(in *Instruction, children []*parser.Node, depth int) Args {
	if len(children) == 0 || depth == maxDepth {
		return nil
	}
	sub := &Instruction{Rng: in.Rng, Line: in.Rest, Heredocs: in.Heredocs}
	p.fill(sub, children[0], depth+1)
	return &Sub{Instruction: sub}
}

// typedArgs builds the arguments of HEALTHCHECK: the type (CMD or NONE) and the command.
func typedArgs(n *parser.Node, t source.Text) Args {
	if n.Next == nil {
		return nil
	}
	at, rest := cutType(t)
	out := &Typed{Type: Word{Value: n.Next.Value, Text: at}}
	switch {
	case n.Attributes["json"]:
		out.Args = newJSON(n.Next.Next, trim(rest))
	case n.Next.Next != nil:
		out.Args = &Raw{Word: Word{Value: n.Next.Next.Value, Text: rest}}
	}
	return out
}

// cutType splits the arguments of HEALTHCHECK into the first word, which is the type (CMD
// or NONE), and the rest after the white space that follows.
func cutType(t source.Text) (word, rest source.Text) {
	s := t.String()
	end := 0
	for end < len(s) && !isSpaceByte(s[end]) {
		end++
	}
	next := end
	for next < len(s) && isSpaceByte(s[next]) {
		next++
	}
	return t.Slice(0, end), t.Slice(next, len(s))
}

// pairs builds the arguments of ENV and LABEL. BuildKit's tree has three nodes for each
// pair: key, value and separator.
func (p *layout) pairs(n *parser.Node, t source.Text) Args {
	if sep := thirdNode(n); sep != nil && sep.Value == "" {
		return legacyPair(n, t)
	}
	texts := p.splitQuoted(t)
	list := make([]Pair, 0, len(texts))
	for sep := thirdNode(n); sep != nil; sep = thirdNode(n) {
		at := t
		if len(list) < len(texts) {
			at = texts[len(list)]
		}
		key, value := cutEquals(at)
		list = append(list, Pair{Key: Word{n.Value, key}, Value: Word{n.Next.Value, value}})
		n = sep.Next
	}
	return &Pairs{Pairs: list}
}

// thirdNode returns the third node of the linked list that starts at n, or nil if the
// list is shorter.
func thirdNode(n *parser.Node) *parser.Node {
	for range 2 {
		if n != nil {
			n = n.Next
		}
	}
	return n
}

// legacyPair builds the single pair of the form without =, such as ENV KEY VALUE.
func legacyPair(n *parser.Node, t source.Text) *Pairs {
	s := t.String()
	i := 0
	for i < len(s) && !isSeparator(s[i]) {
		i++
	}
	j := i
	for j < len(s) && isSeparator(s[j]) {
		j++
	}
	return &Pairs{Legacy: true, Pairs: []Pair{{
		Key:   Word{n.Value, t.Slice(0, i)},
		Value: Word{n.Next.Value, t.Slice(j, len(s))},
	}}}
}
