package parser

import (
	"bytes"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"slipway/diag"
	"slipway/source"
)

// Syntax returns what # syntax= names: the image's reference, the whole value,
// and the line, counted from 1. It also finds the directive behind // and in
// JSON, for frontends whose files are no Dockerfiles.
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
		line++ // Upstream: of JSON it tells the line before
	}
	return ref, cmdline, line, true
}

// Check returns the value of # check=, up to its first space, and its line,
// counted from 1.
//
// Upstream: other than Parse, it skips a first line that starts with #!.
func Check(content []byte) (value string, line int, ok bool) {
	value, _, loc, ok := parser.ParseDirective("check", content)
	if !ok {
		return "", 0, false
	}
	return value, loc[0].Start.Line, true
}

// Directive returns the file's parser directive of the name, which is in lower
// case; nil without.
func (f *File) Directive(name string) *Directive {
	for _, n := range f.Nodes {
		d, ok := n.(*Directive)
		if !ok {
			return nil // they are at the top
		}
		if strings.EqualFold(d.Name.String(), name) {
			return d
		}
	}
	return nil
}

// readDirectives reads the directives, each of which is a line from the first
// on, up to the first fault.
func (p *layout) readDirectives() {
	var dp parser.DirectiveParser
	for line := 1; line <= p.file.Lines(); line++ {
		r := p.file.LineRange(line, line)
		token := trimLeft(contentText(r))
		d, err := dp.ParseLine([]byte(token.String()))
		if err != nil {
			p.badDirective = p.repeated(token, err)
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

// repeated is the fault of a directive that was there before.
func (p *layout) repeated(token source.Text, err error) *diag.Diagnostic {
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

// newDirective cuts a directive, as BuildKit found it, into name and value.
func newDirective(r source.Range, token source.Text) *Directive {
	name, value := cutEquals(token)
	return &Directive{
		Rng:   r,
		Name:  trim(name.Slice(min(1, name.Len()), name.Len())),
		Value: value.TrimSpace(isDirectiveSpace),
	}
}

// isDirectiveSpace tells what is trimmed of a directive's value.
func isDirectiveSpace(c byte) bool {
	return c == ' ' || c == '\t' || c == '\f' || c == '\r'
}

// Check returns the value of the first check= in the comments above the
// instruction, up to its first space: what follows may say why.
//
// Upstream: a line in the form of another directive is passed over like any
// comment.
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
