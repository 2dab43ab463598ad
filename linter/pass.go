package linter

import (
	"fmt"

	"slipway/diag"
	"slipway/instructions"
	"slipway/parser"
	"slipway/source"
)

// Pass is a traversal of a Dockerfile. Rules report warnings through it. Not safe for
// concurrent use.
type Pass struct {
	Input

	fileConfig  Config       // the configuration of the file
	config      Config       // the configuration of the current element, including the comment above it
	rule        *Rule        // the rule whose callback runs
	lines       source.Range // the lines of the current element
	firstStages map[string]*instructions.Stage
	list        diag.List
}

// Report adds a warning about the range rng, which should be in the current element. If
// rng is in another file, such as the text of a trigger, the warning is about the whole
// element.
func (p *Pass) Report(rng source.Range, format string, args ...any) {
	p.ReportIn(p.lines, rng, format, args...)
}

// ReportIn adds a warning about the range rng. Clients show the given lines instead of
// the lines of the current element.
func (p *Pass) ReportIn(lines, rng source.Range, format string, args ...any) {
	if !p.config.Runs(p.rule) {
		return
	}
	if rng.File != lines.File {
		rng = lines
	}
	p.list = append(p.list, &diag.Diagnostic{
		Severity: diag.Warning,
		Code:     p.rule.Name,
		Message:  fmt.Sprintf(format, args...),
		Range:    rng,
		Context:  lines,
		URL:      p.rule.URL,
		Detail:   p.rule.Description,
	})
}

// FirstOf returns the first stage with the given name, which must be in lower case. If no
// stage has the name, it returns nil.
func (p *Pass) FirstOf(name string) *instructions.Stage {
	if p.firstStages == nil {
		p.firstStages = map[string]*instructions.Stage{}
		for _, st := range p.Dockerfile.Stages {
			if p.firstStages[st.Name] == nil {
				p.firstStages[st.Name] = st
			}
		}
	}
	return p.firstStages[name]
}

// setElement sets the lines and the configuration of the current element. A check comment
// above instr extends the configuration of the file. If instr is nil, the configuration
// is the file's.
//
// Upstream: an invalid configuration above an instruction is ignored.
func (p *Pass) setElement(lines source.Range, instr *parser.Instruction) {
	p.lines, p.config = lines, p.fileConfig
	if instr == nil {
		return
	}
	if value, ok := instr.Check(); ok {
		if c, err := ParseConfig(value); err == nil {
			p.config = p.fileConfig.Merge(c)
		}
	}
}
