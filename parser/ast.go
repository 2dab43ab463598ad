package parser

import "slipway/source"

// File is a parsed Dockerfile. It is immutable.
type File struct {
	Source *source.File
	Escape byte   // the escape character, \ or `
	Nodes  []Node // in file order; their ranges cover the file without gaps

	// Included contains the files whose instructions replace INCLUDE instructions. Then Nodes
	// also contains nodes of these files. It is nil for a file as parsed.
	Included []*File
}

// EscapeOf returns the escape character of the file src, which is the file itself or an
// included file.
func (f *File) EscapeOf(src *source.File) byte {
	for _, in := range f.Included {
		if in.Source == src {
			return in.Escape
		}
	}
	return f.Escape
}

// Node is a part of a file: *Blank, *Comment, *Directive or *Instruction. A node covers
// whole lines and starts where the previous node ends.
//
//sumtype:decl
type Node interface {
	// Range returns the lines of the node, including their line ends.
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
	Name  source.Text // the name as written
	Value source.Text
}

// Instruction is one instruction with all its continuation lines and heredocs.
type Instruction struct {
	Rng      source.Range // all lines, including heredoc bodies and the last line end
	Line     source.Text  // the logical line: continuations joined, without comments and heredoc bodies
	Keyword  source.Text  // the keyword as written
	Flags    []Flag       // --name=value words before the arguments
	Args     Args         // nil if there are no arguments
	Rest     source.Text  // the arguments: the line after keyword and flags, trimmed
	Heredocs []Heredoc
	Gaps     []source.Range // runs of empty lines inside the instruction

	// Above covers the comments and empty lines directly above the instruction: the lines
	// after the previous instruction, or after the directives.
	Above source.Range
}

// Flag is a word like --name or --name=value between the keyword and the
// arguments. Quotes and escapes are removed from Raw, Name and Value but not
// from Text.
type Flag struct {
	Text       source.Text  // the word as written
	Raw        string       // the word with quotes and escapes removed
	Name       string       // the name without dashes
	Value      string       // the text after the first =
	HasValue   bool         // whether the word contains =
	NameRange  source.Range // the range of the name, including the dashes
	ValueRange source.Range // the range of the value after =; empty, at the end of the word, if the word has no =
}

// Args represents the arguments of an instruction, without the flags. The type depends on
// the instruction: *Raw, *Words, *JSON, *Pairs, *Typed or *Sub.
type Args interface{ args() }

// Word is a word of an instruction: its value according to BuildKit's grammar, and its
// source text. Value and Text differ if the grammar decodes the text (JSON strings),
// removes part of it (quotes in flags, an escape character at the end of the line), or
// replaces invalid UTF-8. Value still contains all other quotes, and variables are not
// expanded.
type Word struct {
	Value string
	Text  source.Text
}

// Raw represents arguments that are one string, the rest of the line. MAINTAINER,
// STOPSIGNAL, USER and WORKDIR always have this form. CMD, ENTRYPOINT, RUN and SHELL have
// this form unless their arguments are JSON.
type Raw struct{ Word Word }

// Words represents arguments that are words separated by white space. FROM and EXPOSE
// always have this form. ADD, COPY and VOLUME have this form unless their arguments are
// JSON. The words of ARG may contain quoted white space, and so may the words of the
// extensions INCLUDE, LET and UNSET.
type Words struct{ Words []Word }

// JSON represents arguments in the exec form, a JSON array of strings. The text of an
// element includes its quotes.
type JSON struct {
	Text  source.Text // the source text from [ to ]
	Words []Word
}

// Pairs represents the arguments of ENV and LABEL, a list of keys and values.
type Pairs struct {
	Pairs  []Pair
	Legacy bool // whether the form is KEY VALUE, with the rest of the line as the value
}

// Pair is a key and its value, with quotes and variables as written.
type Pair struct{ Key, Value Word }

// Typed represents the arguments of HEALTHCHECK: the type (CMD or NONE) and the command
// as *Raw, *JSON or nil.
type Typed struct {
	Type Word
	Args Args
}

// Sub represents the arguments of ONBUILD, which are an instruction. Its fields Rng and
// Heredocs equal the same fields of the ONBUILD instruction, and its Line is the text
// after the keyword ONBUILD.
type Sub struct{ Instruction *Instruction }

// Heredoc is a document that starts in the line after the redirection <<NAME, and ends
// before a line that consists of NAME.
type Heredoc struct {
	Name   string       // the name with quotes removed
	Expand bool         // whether variables in the body are expanded, because no part of the name is quoted
	Chomp  bool         // whether leading tabs are removed: <<- instead of <<
	FD     uint         // the file descriptor before <<, or 0
	Word   source.Text  // the redirection, such as <<NAME
	Body   source.Range // the lines of the document, with line ends
	End    source.Range // the line that terminates the document
}

// Content returns the text of the heredoc as written, including tabs and line ends.
func (h Heredoc) Content() string { return h.Body.String() }

// Head returns the lines of the instruction before its first heredoc body.
func (n *Instruction) Head() source.Range {
	r := n.Rng
	if len(n.Heredocs) > 0 {
		r.End = n.Heredocs[0].Body.Start
	}
	return r
}

// Doc returns the text of the comment lines that document the instruction according to
// BuildKit, one element per line. Blank lines may separate the comments. After an empty
// comment, a line with only #, the comments above this line do not count.
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

// Range returns the source range of the blank lines.
func (n *Blank) Range() source.Range { return n.Rng }

// Range returns the source range of the comment lines.
func (n *Comment) Range() source.Range { return n.Rng }

// Range returns the source range of the directive's line.
func (n *Directive) Range() source.Range { return n.Rng }

// Range returns the source range of the instruction's lines, including its heredocs.
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
