package format

import (
	"slipway/format/scriptlayout"
	"slipway/parser"
)

// Options configures [Format]. Use [Default] to get the defaults.
type Options struct {
	Indent         string // the indentation of continued lines; "" means four blanks
	Keywords       KeywordCase
	MaxBlankLines  int    // the maximum number of consecutive empty lines between instructions
	LineEnd        string // "\n" or "\r\n"; "" means the line end of most lines
	NoFinalLineEnd bool   // whether the last line has no line end
	Mark           Mark   // what happens to the byte order mark

	Shell      bool                 // whether to lay out the scripts of RUN, CMD, ENTRYPOINT and HEALTHCHECK, too
	ShellFiles bool                 // with Shell: whether to lay out the shell scripts in heredocs of COPY and ADD, too
	Script     scriptlayout.Options // the layout of scripts, except for Indent and Dialect

	// Refused is called for each instruction whose script stays as it is, with the reason. It may
	// be nil.
	Refused func(in *parser.Instruction, reason error)

	// Keep reports whether the instruction with this index in the file stays as it is. If Keep
	// is nil, no instruction does.
	Keep func(index int) bool
}

// KeywordCase is the case of keywords.
type KeywordCase int

// The cases of keywords.
const (
	UpperCase KeywordCase = iota
	LowerCase
	AnyCase // keywords stay as they are
)

// Mark selects whether a file starts with a UTF-8 byte order mark.
type Mark int

// The treatments of the byte order mark.
const (
	KeepMark Mark = iota
	RemoveMark
	AddMark
)

// defaultIndent is the indentation of continued lines if Options.Indent is "".
const defaultIndent = "    "

// Default returns the options that apply without any configuration.
func Default() Options { return Options{Indent: defaultIndent, MaxBlankLines: 1} }
