package linter

import (
	"fmt"

	"slipway/diag"
	"slipway/instructions"
	"slipway/parser"
	"slipway/source"
)

// Pass is one run over a Dockerfile, as the rules see it.
type Pass struct {
	Input

	base   Config       // of the file
	config Config       // of what is looked at: with the comments above it
	rule   *Rule        // whose function runs
	lines  source.Range // of what is looked at
	first  map[string]*instructions.Stage
	list   diag.List
}

// Report adds a warning about a range of what is looked at. A place in another
// file, such as the text of a trigger, becomes that of all of it.
func (p *Pass) Report(at source.Range, format string, args ...any) {
	p.ReportIn(p.lines, at, format, args...)
}

// ReportIn adds a warning about a range, for which clients are to show other
// lines than those of what is looked at.
func (p *Pass) ReportIn(lines, at source.Range, format string, args ...any) {
	if !p.config.Runs(p.rule) {
		return
	}
	if at.File != lines.File {
		at = lines
	}
	p.list = append(p.list, &diag.Diagnostic{
		Severity: diag.Warning,
		Code:     p.rule.Name,
		Message:  fmt.Sprintf(format, args...),
		Range:    at,
		Context:  lines,
		URL:      p.rule.URL,
		Detail:   p.rule.Description,
	})
}

// FirstOf returns the first stage of that name.
func (p *Pass) FirstOf(name string) *instructions.Stage {
	if p.first == nil {
		p.first = map[string]*instructions.Stage{}
		for _, st := range p.Dockerfile.Stages {
			if p.first[st.Name] == nil {
				p.first[st.Name] = st
			}
		}
	}
	return p.first[name]
}

// look turns to lines of the file, and to the configuration of the instruction
// that they belong to; nil for that of the whole file.
//
// Upstream: a malformed configuration above an instruction counts for nothing.
func (p *Pass) look(lines source.Range, in *parser.Instruction) {
	p.lines, p.config = lines, p.base
	if in == nil {
		return
	}
	if value, ok := in.Check(); ok {
		if c, err := ParseConfig(value); err == nil {
			p.config = p.base.Merge(c)
		}
	}
}
