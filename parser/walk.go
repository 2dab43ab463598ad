package parser

import "iter"

// Role is the role of a word in its instruction, such as a flag or a key.
type Role int

// The roles of words in an instruction, such as a keyword or a flag.
const (
	RoleKeyword Role = iota
	RoleFlag         // --name or --name=value
	RoleString       // the rest of the line as one string
	RoleWord         // a word of a list
	RoleElement      // a string of a JSON array
	RoleKey          // a key of ENV or LABEL
	RoleValue        // a value of ENV or LABEL
	RoleType         // the type of HEALTHCHECK, CMD or NONE
	RoleHeredoc      // <<NAME; part of a word or string
)

// String returns the name of the role in lower case, such as "flag".
func (r Role) String() string {
	names := [...]string{"keyword", "flag", "string", "word", "element", "key", "value", "type", "heredoc"}
	if r < 0 || int(r) >= len(names) {
		return "unknown"
	}
	return names[r]
}

// Words returns an iterator over the words of the instruction in file order, followed by
// the heredoc redirections. For ONBUILD, the words of the inner instruction follow the
// keyword ONBUILD.
func (n *Instruction) Words() iter.Seq2[Role, Word] {
	return func(yield func(Role, Word) bool) {
		if !n.head(yield) {
			return
		}
		for _, h := range n.Heredocs {
			if !yield(RoleHeredoc, Word{Value: h.Name, Text: h.Word}) {
				return
			}
		}
	}
}

// head calls yield for all words except heredoc redirections. If yield returns false, head
// stops and returns false.
func (n *Instruction) head(yield func(Role, Word) bool) bool {
	if !yield(RoleKeyword, Word{Value: n.Keyword.String(), Text: n.Keyword}) {
		return false
	}
	for _, f := range n.Flags {
		if !yield(RoleFlag, Word{Value: f.Raw, Text: f.Text}) {
			return false
		}
	}
	return walkArgs(n.Args, yield)
}

// walkArgs calls yield for the words of the arguments a. If yield returns false, walkArgs
// stops and returns false.
func walkArgs(a Args, yield func(Role, Word) bool) bool {
	switch a := a.(type) {
	case *Raw:
		return yield(RoleString, a.Word)
	case *Words:
		return walkWords(RoleWord, a.Words, yield)
	case *JSON:
		return walkWords(RoleElement, a.Words, yield)
	case *Pairs:
		for _, p := range a.Pairs {
			if !yield(RoleKey, p.Key) || !yield(RoleValue, p.Value) {
				return false
			}
		}
	case *Typed:
		return yield(RoleType, a.Type) && walkArgs(a.Args, yield)
	case *Sub:
		return a.Instruction.head(yield)
	}
	return true
}

// walkWords calls yield with the role r and each of the words. If yield returns false,
// walkWords stops and returns false.
func walkWords(r Role, words []Word, yield func(Role, Word) bool) bool {
	for _, w := range words {
		if !yield(r, w) {
			return false
		}
	}
	return true
}
