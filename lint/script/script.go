package script

import (
	"errors"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"slipway/instructions"
	"slipway/parser"
	"slipway/source"
)

// Script is a shell script in a Dockerfile. It is immutable.
type Script struct {
	Text        string
	Dialect     Dialect
	Options     Options             // the options of the shell that runs the script
	Instruction *parser.Instruction // the instruction that contains the script; for a trigger, the ONBUILD
	Run         *instructions.Run   // the RUN that runs the script; nil at run time
	Onbuild     bool                // whether the script is in a trigger
	Heredoc     bool                // whether the script is the text of a heredoc
	Outer       *Script             // the script that runs this script with sh -c; nil otherwise
	Tree        *syntax.File        // nil if the script cannot be parsed
	Err         *SyntaxError        // nil if the script can be parsed, or if its language is unknown
	Commands    []*Command          // in source order

	file *source.File
	at   positions
}

// SyntaxError is an error in the syntax of a script.
type SyntaxError struct {
	Range   source.Range
	Message string
}

// Source is an instruction that may contain scripts.
type Source struct {
	Command instructions.Command
	In      *parser.Instruction                       // the instruction in the file; for a trigger, the ONBUILD
	Shell   []string                                  // the command line of the shell; empty selects /bin/sh
	Lookup  func(name string) (value string, ok bool) // returns the values of variables that are certain
	Onbuild bool
}

// Parser parses scripts. It reuses the memory of its parsers. Not safe for concurrent use.
type Parser struct {
	parsers map[syntax.LangVariant]*syntax.Parser
}

// NewParser returns a Parser.
func NewParser() *Parser { return &Parser{parsers: map[syntax.LangVariant]*syntax.Parser{}} }

// maxNesting is the maximum depth of scripts in scripts, such as sh -c 'sh -c "…"'.
const maxNesting = 3

// Scripts returns the scripts of an instruction: of RUN and, if runtime is true, the shell
// forms of CMD, ENTRYPOINT and HEALTHCHECK. A script in another script follows it.
func (p *Parser) Scripts(src Source) []*Script {
	var s *Script
	switch c := src.Command.(type) {
	case *instructions.Run:
		s = runScript(c, src)
	case *instructions.Cmd:
		s = shellForm(c.CommandLine, src)
	case *instructions.Entrypoint:
		s = shellForm(c.CommandLine, src)
	default:
		return nil
	}
	if s == nil {
		return nil
	}
	s.Instruction, s.Onbuild, s.file = src.In, src.Onbuild, src.In.Rng.File
	return p.parse(s, src, 0)
}

// shellForm returns the script in the shell form of CMD or ENTRYPOINT, or nil.
func shellForm(c instructions.CommandLine, src Source) *Script {
	if !c.Shell || len(c.Args) == 0 {
		return nil
	}
	s := &Script{Text: c.Args[0].Text.String(), at: c.Args[0].Text}
	s.Dialect, s.Options = shellOf(src.Shell)
	return s
}

// runScript returns the script of a RUN, or nil if the shell is unknown.
func runScript(c *instructions.Run, src Source) *Script {
	s := &Script{Run: c}
	s.Dialect, s.Options = shellOf(src.Shell)
	switch {
	case !c.Shell:
		return execForm(c, s)
	case len(c.Args) == 0:
		return nil
	case len(c.Heredocs) == 1 && parser.IsHeredoc(c.Args[0].Value):
		s.Text, s.at = body(c.Heredocs[0])
		s.Heredoc = true
		if d, opt, ok := shebang(s.Text); ok {
			s.Dialect, s.Options = d, opt
		}
	case len(c.Heredocs) > 0:
		s.Text, s.at = withBodies(c.In.Rest, c.Heredocs)
	default:
		s.Text, s.at = c.In.Rest.String(), c.In.Rest
	}
	return s
}

// execForm completes the script s of a RUN in exec form: the argument of a shell's option -c,
// or the command line itself as one command.
func execForm(c *instructions.Run, s *Script) *Script {
	if len(c.Args) == 0 {
		return nil
	}
	s.Options = Options{}
	if s.Dialect = Named(c.Args[0].Value); s.Dialect == None {
		return execCommand(c, s)
	}
	words := make([]string, len(c.Args)-1)
	for i, w := range c.Args[1:] {
		words[i] = w.Value
	}
	opt, rest, command := Options{}.set(words)
	if !command || rest >= len(words) {
		return execCommand(c, s)
	}
	s.Options = opt
	var ok bool
	if s.Text, s.at, ok = decodeJSON(c.Args[rest+1]); !ok {
		return nil
	}
	return s
}

// execCommand completes the script of a RUN whose exec form is not a shell: it has one command
// and no syntax tree.
func execCommand(c *instructions.Run, s *Script) *Script {
	s.Dialect = None
	words := make([]Word, len(c.Args))
	for i, w := range c.Args {
		words[i] = Word{Value: w.Value, Static: true, Range: w.Text.Range()}
	}
	cmd := newCommand(s, words)
	cmd.Top, cmd.Exec = true, true
	s.Commands = append([]*Command{cmd}, cmd.wrapped()...)
	return s
}

// parse parses the script s and the scripts in it.
func (p *Parser) parse(s *Script, src Source, depth int) []*Script {
	if s.Dialect == None {
		return []*Script{s}
	}
	tree, err := p.tree(s.Text, s.Dialect.variant())
	if err != nil && s.Dialect.variant() != syntax.LangBash {
		if t, err2 := p.tree(s.Text, syntax.LangBash); err2 == nil {
			tree, err = t, nil
		}
	}
	if err != nil {
		s.Err = s.syntaxError(err)
		return []*Script{s}
	}
	s.Tree = tree
	w := walker{script: s, lookup: src.Lookup}
	w.stmts(tree.Stmts, scope{top: true})
	list := []*Script{s}
	for _, inner := range w.inner {
		if depth < maxNesting {
			list = append(list, p.parse(inner, src, depth+1)...)
		}
	}
	return list
}

// tree parses a text in the given language.
func (p *Parser) tree(text string, lang syntax.LangVariant) (*syntax.File, error) {
	if p.parsers[lang] == nil {
		p.parsers[lang] = syntax.NewParser(syntax.Variant(lang), syntax.KeepComments(true))
	}
	return p.parsers[lang].Parse(strings.NewReader(text), "")
}

// syntaxError converts an error of package syntax.
func (s *Script) syntaxError(err error) *SyntaxError {
	var pe syntax.ParseError
	var le syntax.LangError
	at, msg := 0, err.Error()
	switch {
	case errors.As(err, &pe):
		at, msg = int(pe.Pos.Offset()), pe.Text
	case errors.As(err, &le):
		at, msg = int(le.Pos.Offset()), le.Feature+" is not supported"
	}
	return &SyntaxError{Range: s.Range(at, min(at+1, len(s.Text))), Message: msg}
}

// offset returns the offset in the file of the byte at index i of the script.
func (s *Script) offset(i int) int {
	switch {
	case len(s.Text) == 0:
		return s.Instruction.Rng.Start
	case i >= len(s.Text):
		return s.at.Offset(len(s.Text)-1) + 1
	}
	return s.at.Offset(max(i, 0))
}

// Range returns the range in the file of the bytes [start, end) of the script.
func (s *Script) Range(start, end int) source.Range {
	end = min(max(end, start), len(s.Text))
	r := source.Range{File: s.file, Start: s.offset(start)}
	r.End = r.Start
	if end > start {
		r.End = max(s.offset(end-1)+1, r.Start)
	}
	return r
}

// NodeRange returns the range in the file of a node of the script's syntax tree.
func (s *Script) NodeRange(n syntax.Node) source.Range {
	return s.Range(int(n.Pos().Offset()), int(n.End().Offset()))
}
