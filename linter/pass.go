package linter

import (
	"fmt"

	"slipway/diag"
	"slipway/instructions"
	"slipway/parser"
	"slipway/source"
)

// Pass holds the state of one traversal of a Dockerfile. Callbacks of rules report their
// warnings through it. Not safe for concurrent use.
type Pass struct {
	Input

	fileConfig  Config       // the configuration of the file
	config      Config       // the configuration of the current element, including the comment above it
	rule        *Rule        // the rule whose callback runs
	lines       source.Range // the lines of the current element
	firstStages map[string]*instructions.Stage
	list        diag.List
}

// Report adds a warning about the range rng, which should be in the instruction for which
// Run called the callback. If rng is in another file, such as the text of an ONBUILD
// trigger, the warning is about the whole instruction.
func (p *Pass) Report(rng source.Range, format string, args ...any) {
	p.ReportIn(p.lines, rng, format, args...)
}

// ReportIn adds a warning about the range rng. The parameter lines is the range that
// clients show instead of the instruction for which Run called the callback.
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

// setElement prepares the pass for callbacks about one part of the Dockerfile. The
// parameter lines is the range that clients show for warnings from these callbacks. If
// instr is not nil, a # check= comment directly above instr extends the configuration of
// the file.
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
