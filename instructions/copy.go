package instructions

import (
	"slices"

	"slipway/diag"
	"slipway/parser"
	"slipway/source"
)

// addFlags lists the flags of ADD.
var addFlags = []flagSpec{
	{"chown", stringFlag},
	{"chmod", stringFlag},
	{"link", boolFlag},
	{"keep-git-dir", boolFlag},
	{"checksum", stringFlag},
	{"unpack", boolFlag},
	{"exclude", listFlag},
}

// copyFlags lists the flags of COPY.
var copyFlags = []flagSpec{
	{"chown", stringFlag},
	{"from", stringFlag},
	{"chmod", stringFlag},
	{"link", boolFlag},
	{"exclude", listFlag},
	{"parents", boolFlag},
}

// buildAdd parses an ADD instruction.
//
//	add = "ADD" { flag } files .
func buildAdd(in *parser.Instruction) (Command, *diag.Diagnostic) {
	return buildFiles(in, &Copy{Node: Node{In: in}, Add: true}, "ADD", addFlags)
}

// buildCopy parses a COPY instruction.
//
//	copy = "COPY" { flag } files .
func buildCopy(in *parser.Instruction) (Command, *diag.Diagnostic) {
	return buildFiles(in, &Copy{Node: Node{In: in}}, "COPY", copyFlags)
}

// buildFiles parses a COPY or ADD instruction into c. The parameter name is the keyword
// in error messages.
//
//	files = list | "[" string "," string { "," string } "]" .
//	list = source { source } destination .
//	source = path | URL | heredoc .
func buildFiles(in *parser.Instruction, c *Copy, name string, specs []flagSpec) (Command, *diag.Diagnostic) {
	args := words(in.Args)
	if len(args) < 2 {
		return nil, diag.Errorf(argsRange(in), "%s requires at least two arguments, but only one was provided. Destination could not be determined", name)
	}
	set, d := parseFlags(in, specs)
	if d != nil {
		return nil, d
	}
	c.Dest = args[len(args)-1]
	if parser.IsHeredoc(c.Dest.Value) {
		return nil, diag.Errorf(c.Dest.Text.Range(), "%s cannot accept a heredoc as a destination", name)
	}
	docs := bodies(in)
	for _, w := range args[:len(args)-1] {
		if h, ok := parser.ParseHeredoc(w.Value); ok {
			c.Inline = append(c.Inline, inline(docs, w, h))
		} else {
			c.Sources = append(c.Sources, w)
		}
	}
	c.From = set.word("from")
	c.Chown = set.word("chown")
	c.Chmod = set.word("chmod")
	c.Checksum = set.word("checksum")
	if list := set.words("exclude"); len(list) > 0 {
		c.Exclude = values(list)
	}
	c.Link = set.isSet("link")
	c.Parents = set.isSet("parents")
	c.KeepGit = set.bool("keep-git-dir")
	c.Unpack = set.bool("unpack")
	return c, nil
}

// body is the content of a heredoc in COPY or ADD, with and without leading tabs.
type body struct {
	data, chomped string
	location      source.Range
}

// bodies returns a map from the names of the heredocs in an instruction to their
// contents.
//
// Upstream: if several heredocs have the same name, all of them get the content of the
// last of them.
func bodies(in *parser.Instruction) map[string]body {
	docs := make(map[string]body, len(in.Heredocs))
	for _, h := range slices.Backward(in.Heredocs) {
		if _, later := docs[h.Name]; !later {
			data := h.Content()
			docs[h.Name] = body{data: data, chomped: parser.Chomp(data), location: h.Body}
		}
	}
	return docs
}

// inline returns the file that the heredoc redirection w creates.
//
// Upstream: a word in a JSON array that only looks like a heredoc redirection creates an
// empty file.
func inline(docs map[string]body, w parser.Word, h parser.Heredoc) Inline {
	file := Inline{Name: h.Name, Expand: h.Expand, Range: w.Text.Range()}
	if doc, ok := docs[h.Name]; ok {
		file.Data, file.Range = doc.data, doc.location
		if h.Chomp {
			file.Data = doc.chomped
		}
	}
	return file
}
