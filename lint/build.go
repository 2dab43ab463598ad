package lint

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"slipway/diag"
	"slipway/lint/script"
	"slipway/linter"
	"slipway/parser"
	"slipway/source"
)

// recommended is the name in # check=experimental= that enables all rules that are on by default.
const recommended = "slipway:recommended"

// CheckBuild checks a file that a build has planned, with the rules that experimental= enables in
// the configuration of the file or above an instruction:
//
//	# check=experimental=slipway:recommended;skip=DL3008
//	# check=experimental=CdInsteadOfWorkdir,DL3059
//
// The result does not contain warnings of BuildKit's checks, and experimental=all enables nothing
// here, as both belong to upstream. The option skip applies to names and codes. The function
// unknown reports whether the config of an image is unknown.
//
// All findings are warnings, as those of BuildKit's checks. The context of a finding is its
// instruction.
func (l *Linter) CheckBuild(in linter.Input, cfg linter.Config, unknown func(ref string) bool) diag.List {
	b := &optIn{linter: l, file: cfg, byInstruction: map[*parser.Instruction]linter.Config{}}
	b.collect(in.File)
	severity := b.severities()
	if len(severity) == 0 || in.Dockerfile == nil || in.Plan == nil {
		return nil
	}
	f := &File{
		Source: in.File.Source, Syntax: in.File, Dockerfile: in.Dockerfile, Plan: in.Plan,
		Included: in.File.Included, rootOnly: in.Dockerfile.Gate != nil, owners: map[*script.Script]*Instruction{},
	}
	f.stages(unknown)
	f.scripts(script.NewParser())
	s := Settings{Severity: severity}
	opt := Options{BuildArgs: in.Plan.Options.BuildArgs, Contexts: map[string]bool{}}
	for _, name := range in.Plan.Options.Contexts {
		opt.Contexts[name] = true
	}
	p := &Pass{File: f, Options: opt, linter: l, settings: s}
	p.runRules()
	p.suppress(slices.DeleteFunc(f.pragmas(), func(pr *pragma) bool { return pr.check }))
	return b.warnings(p.result().Findings)
}

// OptsIn reports whether a file or its configuration may enable rules for [Linter.CheckBuild].
func OptsIn(f *source.File, cfg linter.Config) bool {
	return len(cfg.Experimental) > 0 || bytes.Contains(f.Bytes, []byte("experimental"))
}

// optIn holds the configurations of a file.
type optIn struct {
	linter        *Linter
	file          linter.Config
	byInstruction map[*parser.Instruction]linter.Config // merged with the configuration of the file; only instructions that have one
	instructions  []*parser.Instruction
}

// collect reads the configurations above instructions.
func (b *optIn) collect(f *parser.File) {
	b.instructions = f.Instructions()
	for _, in := range b.instructions {
		value, ok := in.Check()
		if !ok {
			continue
		}
		if c, err := linter.ParseConfig(value); err == nil {
			b.byInstruction[in] = b.file.Merge(c)
		}
	}
}

// severities returns the severity of each rule that runs somewhere in the file, and [Off] for all
// others. If no rule runs, it returns nil.
func (b *optIn) severities() map[string]diag.Severity {
	severity := map[string]diag.Severity{}
	runs := false
	for _, r := range b.linter.rules {
		s := Off
		on := enabled(b.file, r)
		for _, c := range b.byInstruction {
			on = on || enabled(c, r)
		}
		if on && !r.BuildKit {
			s, runs = diag.Warning, true
		}
		severity[strings.ToLower(r.Name)] = s
	}
	if !runs {
		return nil
	}
	return severity
}

// enabled reports whether a configuration enables a rule.
func enabled(c linter.Config, r *Rule) bool {
	return c.Experimental[recommended] && r.Severity != Off || hasName(c.Experimental, r.Name) || hasName(c.Experimental, r.Code)
}

// hasName reports whether a list of names contains a name or a code in any spelling.
func hasName(names map[string]bool, name string) bool {
	if name == "" {
		return false
	}
	for n := range names {
		if strings.EqualFold(baseName(n), name) {
			return true
		}
	}
	return false
}

// warnings returns the findings that the configuration of their instruction enables and does not
// skip, as warnings of a build.
func (b *optIn) warnings(findings []*Finding) diag.List {
	var list diag.List
	for _, f := range findings {
		if f.Rule == nil {
			continue
		}
		d := f.Diagnostic
		c := b.file
		d.Context = d.Range
		if in := b.instructionAt(d.Range); in != nil {
			d.Context = in.Rng
			if own, ok := b.byInstruction[in]; ok {
				c = own
			}
		}
		if !enabled(c, f.Rule) || hasName(c.Skip, f.Rule.Name) || hasName(c.Skip, f.Alias) {
			continue
		}
		if f.Secret {
			withoutPlace(&d)
		}
		d.Severity, d.Detail, d.Fixes = diag.Warning, f.Rule.Summary, nil
		list = append(list, &d)
	}
	return list
}

// withoutPlace moves the line number of a diagnostic to its message, because clients print the
// lines of a range.
func withoutPlace(d *diag.Diagnostic) {
	first, _ := d.Range.Lines()
	d.Message += fmt.Sprintf(" (line %d)", first)
	d.Range, d.Context, d.Related = source.Range{}, source.Range{}, nil
}

// instructionAt returns the instruction that contains a range, or nil.
func (b *optIn) instructionAt(r source.Range) *parser.Instruction {
	for _, in := range b.instructions {
		if in.Rng.File == r.File && in.Rng.Start <= r.Start && r.End <= in.Rng.End {
			return in
		}
	}
	return nil
}
