package parser

import "slipway/source"

// File is a parsed Dockerfile. It is immutable.
type File struct {
	Source *source.File
	Escape byte   // the escape character, \ or `
	Nodes  []Node // in file order; their ranges tile the file
}

// Node is a part of a file: *Blank, *Comment, *Directive or *Instruction.
//
// The nodes of a file are contiguous whole lines.
//
//sumtype:decl
type Node interface {
	// Range returns the whole lines of the node, line ends included.
	Range() source.Range
	node()
}

// Blank is a run of empty or whitespace-only lines outside of instructions.
type Blank struct{ Rng source.Range }

// Comment is a run of lines that start with #, outside of instructions.
type Comment struct{ Rng source.Range }

// Directive is a parser directive at the top of the file: # name=value.
type Directive struct {
	Rng   source.Range
	Name  source.Text // as written
	Value source.Text
}

// Instruction is one instruction with all its continuation lines and heredocs.
type Instruction struct {
	Rng      source.Range // from its first line to the end of its last, heredoc bodies included
	Line     source.Text  // the logical line: continuations joined, without comments and heredoc bodies
	Keyword  source.Text  // as written
	Flags    []Flag       // --name=value words before the arguments
	Args     Args         // nil if there are no arguments
	Rest     source.Text  // everything after keyword and flags, trimmed
	Heredocs []Heredoc
	Gaps     []source.Range // runs of empty lines inside the instruction

	// Above covers the comments and empty lines before this instruction. It
	// starts after the previous instruction or the directives.
	Above source.Range
}

// Flag is a word like --name or --name=value between the keyword and the
// arguments. Quotes and escapes are removed from Raw, Name and Value but not
// from Text.
type Flag struct {
	Text     source.Text  // the word as written
	Raw      string       // the word with quotes and escapes removed
	Name     string       // without dashes
	Value    string       // after the first =
	HasValue bool         // whether the word contains =
	NameAt   source.Range // with the dashes, up to =
	ValueAt  source.Range // after =; an empty range at the end of the word if it has no =
}

// Args represents the arguments after keyword and flags. Its type depends on
// the instruction: *Raw, *Words, *JSON, *Pairs, *Typed or *Sub.
type Args interface{ args() }

// Word is a word of an instruction: its value according to BuildKit's grammar,
// and its source text. The two differ where the grammar decodes the text (JSON
// strings), removes a part of it (quotes in flags, an escape character at the
// end of the line), or replaces invalid UTF-8. Other quotes and all variables
// are still in Value.
type Word struct {
	Value string
	Text  source.Text
}

// Raw is the rest of the line as one string. MAINTAINER, STOPSIGNAL, USER and
// WORKDIR always have this form. CMD, ENTRYPOINT, RUN and SHELL have it unless
// their arguments are JSON.
type Raw struct{ Word Word }

// Words is a list of words separated by white space. FROM and EXPOSE always
// have this form. ADD, COPY and VOLUME have it unless their arguments are JSON.
// The words of ARG may contain quoted white space.
type Words struct{ Words []Word }

// JSON represents the exec form: an array of strings. The text of an element
// includes its quotes.
type JSON struct {
	Text  source.Text // from [ to ]
	Words []Word
}

// Pairs represents the arguments of ENV and LABEL.
type Pairs struct {
	Pairs  []Pair
	Legacy bool // KEY VALUE without =; the value is the rest of the line
}

// Pair is one key and its value, with quotes and variables as written.
type Pair struct{ Key, Value Word }

// Typed represents the arguments of HEALTHCHECK: the type (CMD, NONE) and the
// rest as *Raw, *JSON or nil.
type Typed struct {
	Type Word
	Args Args
}

// Sub is the instruction after ONBUILD. It has the Rng and the Heredocs of the
// ONBUILD; its Line is the Rest of the ONBUILD.
type Sub struct{ Instruction *Instruction }

// Heredoc is an inline document: <<NAME … NAME.
type Heredoc struct {
	Name   string // with quotes removed
	Expand bool   // no part of the name is quoted, so variables in the body are expanded
	Chomp  bool   // <<-: leading tabs are removed when used
	FD     uint   // the digits before <<, or 0
	Word   source.Text
	Body   source.Range // the lines between, with line ends
	End    source.Range // the terminator line
}

// Content returns the body as written, including tabs and line ends.
func (h Heredoc) Content() string { return h.Body.String() }

// Head returns the lines of the instruction without its heredocs.
func (n *Instruction) Head() source.Range {
	r := n.Rng
	if len(n.Heredocs) > 0 {
		r.End = n.Heredocs[0].Body.Start
	}
	return r
}

// Doc returns the comment lines that BuildKit attributes to the instruction,
// one element per line: the comments above it, including those separated by
// blank lines. An empty comment (a lone #) discards the comments before it.
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
