package dialect

import (
	"fmt"
	"strings"
)

// Condition is a parsed condition of --if or IF:
//
//	condition = and { "||" and } .
//	and = unary { "&&" unary } .
//	unary = [ "!" ] ( "(" condition ")" | test ) .
//	test = word [ ( "==" | "!=" ) word | "in" "(" word { "," word } ")" ] .
type Condition struct {
	words []ConditionWord
	root  node
}

// ConditionWord is a word in a condition, with its quotes and variables as written, and its
// offsets in the text of the condition.
type ConditionWord struct {
	Text       string
	Start, End int
}

// ConditionError is a syntax error in a condition. Start and End are offsets in its text.
type ConditionError struct {
	Start, End int
	Message    string
}

// Error implements error.
func (e *ConditionError) Error() string { return e.Message }

// Words returns the words of the condition in order.
func (c *Condition) Words() []ConditionWord { return c.words }

// Eval evaluates the condition. The callback expand returns the value of a word. Eval stops at
// the first word that decides the result.
func (c *Condition) Eval(expand func(ConditionWord) (string, error)) (bool, error) {
	return c.root.eval(expand)
}

// IsTrue reports whether a word is true as a condition. A word is false if it is empty, 0,
// false, no or off.
func IsTrue(value string) bool {
	switch strings.ToLower(value) {
	case "", "0", "false", "no", "off":
		return false
	}
	return true
}

// node is a part of a condition.
type node interface {
	eval(expand func(ConditionWord) (string, error)) (bool, error)
}

type (
	// anyOf is true if one of its parts is.
	anyOf []node
	// allOf is true if all of its parts are.
	allOf []node
	// not is true if its part is false.
	not struct{ node }
	// truth is a word alone.
	truth struct{ word ConditionWord }
	// oneOf compares a word with other words.
	oneOf struct {
		word  ConditionWord
		among []ConditionWord
	}
)

func (n anyOf) eval(expand func(ConditionWord) (string, error)) (bool, error) {
	for _, p := range n {
		if ok, err := p.eval(expand); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func (n allOf) eval(expand func(ConditionWord) (string, error)) (bool, error) {
	for _, p := range n {
		if ok, err := p.eval(expand); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (n not) eval(expand func(ConditionWord) (string, error)) (bool, error) {
	ok, err := n.node.eval(expand)
	return !ok, err
}

func (n truth) eval(expand func(ConditionWord) (string, error)) (bool, error) {
	v, err := expand(n.word)
	return IsTrue(v), err
}

func (n oneOf) eval(expand func(ConditionWord) (string, error)) (bool, error) {
	v, err := expand(n.word)
	if err != nil {
		return false, err
	}
	for _, w := range n.among {
		other, err := expand(w)
		if err != nil || other == v {
			return err == nil, err
		}
	}
	return false, nil
}

// maxConditionDepth is the maximum nesting depth of parentheses and exclamation marks in a
// condition.
const maxConditionDepth = 100

// conditionParser is a recursive descent parser for conditions.
type conditionParser struct {
	text  string
	token token // the current token
	depth int
	words []ConditionWord
}

// ParseCondition parses a condition. An error has the type *[ConditionError].
func ParseCondition(text string) (*Condition, error) {
	p := &conditionParser{text: text}
	if err := p.advance(0); err != nil {
		return nil, err
	}
	root, err := p.or()
	if err == nil && p.token.kind != tokenEnd {
		err = p.unexpected("&& or ||")
		if p.token.kind == tokenWord || p.token.text == "=" {
			err = p.unexpected("==, != or in")
		}
	}
	if err != nil {
		return nil, err
	}
	return &Condition{words: p.words, root: root}, nil
}

// advance reads the next token, which starts at or after the offset.
func (p *conditionParser) advance(offset int) error {
	var err *ConditionError
	if p.token, err = nextToken(p.text, offset); err != nil {
		return err
	}
	return nil
}

// accept consumes the current token if it is the given operator.
func (p *conditionParser) accept(op string) (bool, error) {
	if p.token.kind != tokenOperator || p.token.text != op {
		return false, nil
	}
	return true, p.advance(p.token.end)
}

// unexpected returns an error about the current token.
func (p *conditionParser) unexpected(want string) error {
	found := p.token.text
	if p.token.kind == tokenEnd {
		found = "the end"
	}
	return &ConditionError{p.token.start, p.token.end, fmt.Sprintf("condition: expected %s, not %s%s", want, found, p.remedy())}
}

// remedy returns the text that follows the error about the current token, if the token is from
// another language.
func (p *conditionParser) remedy() string {
	switch strings.ToLower(p.token.text) {
	case "and":
		return " (and is &&)"
	case "or":
		return " (or is ||)"
	case "not":
		return " (not is !, as in !($A in (b, c)))"
	case "as":
		return " (AS name belongs before IF)"
	}
	return ""
}

// or parses a condition.
func (p *conditionParser) or() (node, error) {
	first, err := p.and()
	list := anyOf{first}
	for err == nil {
		var more bool
		if more, err = p.accept("||"); err != nil || !more {
			break
		}
		var next node
		next, err = p.and()
		list = append(list, next)
	}
	return list, err
}

func (p *conditionParser) and() (node, error) {
	first, err := p.unary()
	list := allOf{first}
	for err == nil {
		var more bool
		if more, err = p.accept("&&"); err != nil || !more {
			break
		}
		var next node
		next, err = p.unary()
		list = append(list, next)
	}
	return list, err
}

func (p *conditionParser) unary() (node, error) {
	if p.depth++; p.depth > maxConditionDepth {
		return nil, &ConditionError{p.token.start, p.token.end, fmt.Sprintf("condition: nested more than %d deep", maxConditionDepth)}
	}
	defer func() { p.depth-- }()
	if negated, err := p.accept("!"); negated || err != nil {
		if err != nil {
			return nil, err
		}
		n, err := p.unary()
		return not{n}, err
	}
	if open, err := p.accept("("); open || err != nil {
		if err != nil {
			return nil, err
		}
		n, err := p.or()
		if err != nil {
			return nil, err
		}
		return n, p.expect(")")
	}
	return p.test()
}

// expect consumes the given operator, or returns an error if the current token is another one.
func (p *conditionParser) expect(op string) error {
	ok, err := p.accept(op)
	if err == nil && !ok {
		return p.unexpected(op)
	}
	return err
}

// word consumes a word.
func (p *conditionParser) word() (ConditionWord, error) {
	if p.token.kind != tokenWord {
		return ConditionWord{}, p.unexpected("a word")
	}
	w := ConditionWord{Text: p.token.text, Start: p.token.start, End: p.token.end}
	p.words = append(p.words, w)
	return w, p.advance(w.End)
}

func (p *conditionParser) test() (node, error) {
	w, err := p.word()
	if err != nil {
		return nil, err
	}
	for _, op := range []string{"==", "!="} {
		ok, err := p.accept(op)
		if err != nil || !ok {
			if err != nil {
				return nil, err
			}
			continue
		}
		other, err := p.word()
		if op == "!=" {
			return not{oneOf{w, []ConditionWord{other}}}, err
		}
		return oneOf{w, []ConditionWord{other}}, err
	}
	if p.token.kind == tokenWord && p.token.text == "in" {
		return p.among(w)
	}
	return truth{w}, nil
}

// among parses the list of words after "in".
func (p *conditionParser) among(w ConditionWord) (node, error) {
	if err := p.advance(p.token.end); err != nil {
		return nil, err
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	n := oneOf{word: w}
	for {
		other, err := p.word()
		if err != nil {
			return nil, err
		}
		n.among = append(n.among, other)
		more, err := p.accept(",")
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
	}
	if p.token.text != ")" || p.token.kind != tokenOperator {
		return nil, p.unexpected(", or )")
	}
	return n, p.expect(")")
}
