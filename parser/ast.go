package parser

import "slipway/source"

// File is a parsed Dockerfile. It is immutable.
type File struct {
	Source *source.File
	Escape byte   // the escape character, \ or `
	Nodes  []Node // in file order; their ranges tile the file
}

// Node is a piece of a file: *Blank, *Comment, *Directive or *Instruction.
//
//sumtype:decl
type Node interface {
	// Range returns the whole lines of the node with their line ends.
	Range() source.Range
	node()
}

// Blank is a run of lines without content outside of instructions.
type Blank struct{ Rng source.Range }

// Comment is a run of lines that start with #, outside of instructions.
type Comment struct{ Rng source.Range }

// Directive is a parser directive, # name=value, at the top of the file.
type Directive struct {
	Rng   source.Range
	Name  source.Text // as written
	Value source.Text
}

// Instruction is one instruction with all its continuation lines and heredocs.
type Instruction struct {
	Rng      source.Range // from its first line to the end of its last, heredoc bodies included
	Line     source.Text  // the logical line: continuations joined, comments cut out, no heredoc bodies
	Keyword  source.Text  // as written
	Flags    []Flag       // --name=value words before the arguments
	Args     Args         // nil if nothing is there
	Rest     source.Text  // everything behind keyword and flags, trimmed
	Heredocs []Heredoc
	Gaps     []source.Range // runs of lines without content between its lines

	// Above are the lines between the instruction before, or the directives,
	// and this one: comments and lines without content.
	Above source.Range
}

// Flag is a word like --name or --name=value between the keyword and the
// arguments. Quotes and escapes are removed from the strings but not from Text.
type Flag struct {
	Text     source.Text  // the word as written
	Raw      string       // the word with quotes and escapes removed
	Name     string       // without dashes
	Value    string       // behind the first =
	HasValue bool         // whether there is an =
	NameAt   source.Range // with the dashes, up to the =
	ValueAt  source.Range // behind the =; empty at the end of the word without one
}

// Args is what stands behind keyword and flags, in the form that the
// instruction calls for: *Raw, *Words, *JSON, *Pairs, *Typed or *Sub.
type Args interface{ args() }

// Word is a piece of an instruction: what BuildKit's grammar makes of it, and
// where it stands. Value differs from the text where the grammar decodes it
// (JSON strings), removes something (an escape character at the end of the
// line, quotes in flags) or replaces bytes that are not UTF-8. Quotes and
// variables are otherwise as written.
type Word struct {
	Value string
	Text  source.Text
}

// Raw is the rest of the line as one string: MAINTAINER, STOPSIGNAL, USER,
// WORKDIR, and CMD, ENTRYPOINT, RUN, SHELL if not JSON.
type Raw struct{ Word Word }

// Words is a list split at white space: FROM, EXPOSE, and ADD, COPY, VOLUME if
// not JSON; for ARG the words are split with regard to quotes.
type Words struct{ Words []Word }

// JSON is the exec form: an array of strings. The text of an element includes
// its quotes.
type JSON struct {
	Text  source.Text // from [ to ]
	Words []Word
}

// Pairs are the arguments of ENV and LABEL.
type Pairs struct {
	Pairs  []Pair
	Legacy bool // KEY rest of the line, without =
}

// Pair is one key and its value, quotes and variables as written.
type Pair struct{ Key, Value Word }

// Typed is the argument of HEALTHCHECK: a type word and what follows it, as
// *Raw, *JSON or nil.
type Typed struct {
	Type Word
	Args Args
}

// Sub is the instruction behind ONBUILD. Its Rng is that of the whole, its Line
// the rest of the whole's, and it has the heredocs, as the whole has too.
type Sub struct{ Instruction *Instruction }

// Heredoc is an inline document: <<NAME … NAME.
type Heredoc struct {
	Name   string // with quotes removed
	Expand bool   // no part of the word was quoted
	Chomp  bool   // <<-: leading tabs are removed when used
	FD     uint   // digits before <<, 0 without
	Word   source.Text
	Body   source.Range // the lines between, with line ends
	End    source.Range // the terminator line
}

// Content returns the body's bytes, tabs and line ends as written.
func (h Heredoc) Content() string { return h.Body.String() }

// Head returns the lines of the instruction without those of heredocs.
func (n *Instruction) Head() source.Range {
	r := n.Rng
	if len(n.Heredocs) > 0 {
		r.End = n.Heredocs[0].Body.Start
	}
	return r
}

// Doc returns the comments that BuildKit counts to the instruction, line by
// line: all above it, blank lines between them or not, or those behind the last
// empty one.
func (n *Instruction) Doc() []source.Text {
	var doc []source.Text
	for line := range lines(n.Above) {
		text, ok := commentText(line)
		switch {
		case !ok: // blank
		case text.Len() == 0:
			doc = doc[:0]
		default:
			doc = append(doc, text)
		}
	}
	return doc
}

// Range returns the lines of the node.
func (n *Blank) Range() source.Range { return n.Rng }

// Range returns the lines of the node.
func (n *Comment) Range() source.Range { return n.Rng }

// Range returns the line of the node.
func (n *Directive) Range() source.Range { return n.Rng }

// Range returns the lines of the node.
func (n *Instruction) Range() source.Range { return n.Rng }

func (*Blank) node()       {}
func (*Comment) node()     {}
func (*Directive) node()   {}
func (*Instruction) node() {}

func (*Raw) args()   {}
func (*Words) args() {}
func (*JSON) args()  {}
func (*Pairs) args() {}
func (*Typed) args() {}
func (*Sub) args()   {}

// Instructions returns the instructions of the file in order.
func (f *File) Instructions() []*Instruction {
	var list []*Instruction
	for _, n := range f.Nodes {
		if in, ok := n.(*Instruction); ok {
			list = append(list, in)
		}
	}
	return list
}
