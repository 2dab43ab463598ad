package parser

import (
	"bytes"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"slipway/diag"
	"slipway/source"
)

// Syntax finds the # syntax= directive in a file. The result cmdline is the value of the
// directive, ref is the image reference at the start of the value, and line is the number
// of the line. Because the file may be written for another frontend, Syntax also finds the
// directive in JSON and in comments that start with //. If the file has no such directive,
// ok is false.
func Syntax(content []byte) (ref, cmdline string, line int, ok bool) {
	ref, cmdline, loc, ok := parser.DetectSyntax(content)
	if !ok {
		return "", "", 0, false
	}
	line = loc[0].Start.Line
	shebang := 0
	if bytes.HasPrefix(bytes.TrimPrefix(content, []byte(bom)), []byte("#!")) {
		shebang = 1
	}
	if line == shebang {
		line++ // Upstream: for JSON the line number is one too small
	}
	return ref, cmdline, line, true
}

// Check returns the value of the # check= directive up to the first space, and the number
// of its line. If the file has no such directive, ok is false.
//
// Upstream: unlike Parse, it skips a first line that starts with #!.
func Check(content []byte) (value string, line int, ok bool) {
	value, _, loc, ok := parser.ParseDirective("check", content)
	if !ok {
		return "", 0, false
	}
	return value, loc[0].Start.Line, true
}

// Directive returns the parser directive with the given name, or nil. It ignores the case
// of the name.
func (f *File) Directive(name string) *Directive {
	for _, n := range f.Nodes {
		d, ok := n.(*Directive)
		if !ok {
			return nil // directives come first
		}
		if strings.EqualFold(d.Name.String(), name) {
			return d
		}
	}
	return nil
}

// readDirectives parses the directives at the top of the file. It stops at the first
// invalid directive and stores the error in badDirective.
func (p *layout) readDirectives() {
	var dp parser.DirectiveParser
	for line := 1; line <= p.file.Lines(); line++ {
		r := p.file.LineRange(line, line)
		token := trimLeft(contentText(r))
		d, err := dp.ParseLine([]byte(token.String()))
		if err != nil {
			p.badDirective = p.duplicateDirective(token, err)
			return
		}
		if d == nil {
			return
		}
		dir := newDirective(r, token)
		if d.Name == "escape" {
			if d.Value != `\` && d.Value != "`" {
				p.badDirective = diag.Errorf(dir.Value.Range(), "invalid escape token '%s' does not match ` or \\", d.Value).In(r)
				return
			}
			p.escape = d.Value[0]
		}
		p.directives = append(p.directives, dir)
	}
}

// duplicateDirective returns the error for a directive that appears twice, with a note at
// the first occurrence.
func (p *layout) duplicateDirective(token source.Text, err error) *diag.Diagnostic {
	bad := newDirective(token.Range(), token)
	line, _ := bad.Rng.Lines()
	d := diag.Errorf(trim(token).Range(), "%s", err.Error()).In(p.file.LineRange(line, line))
	for _, dir := range p.directives {
		if strings.EqualFold(dir.Name.String(), bad.Name.String()) {
			d.Related = append(d.Related, diag.Related{Range: trim(contentText(dir.Rng)).Range(), Message: "first used here"})
		}
	}
	return d
}

// newDirective splits a directive into name and value. BuildKit's parser has already
// validated it.
func newDirective(r source.Range, token source.Text) *Directive {
	name, value := cutEquals(token)
	return &Directive{
		Rng:   r,
		Name:  trim(name.Slice(min(1, name.Len()), name.Len())),
		Value: value.TrimSpace(isDirectiveSpace),
	}
}

// isDirectiveSpace reports whether BuildKit trims c from the value of a directive.
func isDirectiveSpace(c byte) bool {
	return c == ' ' || c == '\t' || c == '\f' || c == '\r'
}

// Check returns the value of the first check= in the comments above the instruction, up
// to the first space. The text after the space may give a reason. ok is false if there is
// no check=.
//
// Upstream: comments in the form of other directives are skipped.
func (n *Instruction) Check() (value string, ok bool) {
	for _, c := range n.Doc() {
		if !strings.Contains(c.String(), "=") {
			continue
		}
		var dp parser.DirectiveParser
		dp.SetComment("")
		d, err := dp.ParseLine([]byte(c.String()))
		if err == nil && d != nil && d.Name == "check" {
			value, _, _ = strings.Cut(d.Value, " ")
			return value, true
		}
	}
	return "", false
}
