package lint

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"slipway/diag"
	"slipway/instructions"
	"slipway/lint/script"
	"slipway/linter"
	"slipway/parser"
	"slipway/source"
)

// Settings configures a [Linter].
type Settings struct {
	Severity       map[string]diag.Severity // by the name or code of the rule in lower case; [Off] switches a rule off
	DisablePragmas bool                     // whether comments suppress no findings, except for # check=
	Rules          RuleSettings
}

// RuleSettings contains the settings of single rules.
type RuleSettings struct {
	Registries      []string // the patterns of trusted registries; empty trusts all
	AllowUnresolved bool     // whether images with unknown names are trusted
	Labels          []Label  // the label schema, in order of the keys
	StrictLabels    bool     // whether labels outside of the schema are reported
}

// Label is a label of a label schema.
type Label struct {
	Key  string
	Type string // text, url, rfc3339, spdx, hash, semver or email
}

// Linter checks files. It is immutable. Safe for concurrent use.
type Linter struct {
	rules    []*Rule
	checks   []*linter.Rule
	byName   map[string]*Rule // by name and code in lower case
	names    []string         // all names, for suggestions
	settings Settings
}

// New returns a linter with BuildKit's checks and the given rules.
func New(rules []*Rule, s Settings) *Linter {
	l := &Linter{byName: map[string]*Rule{}, settings: s}
	builtin, checks := buildKitRules()
	l.checks = checks
	l.rules = append(builtin, rules...)
	l.rules = append(l.rules,
		&Rule{Name: "UnknownRule", Severity: diag.Info, Hadolint: Off, Summary: "Comments that suppress findings should name existing rules"},
		&Rule{Name: unusedIgnore, Severity: Off, Hadolint: Off, Summary: "Comments that suppress findings should be necessary"},
		&Rule{Name: ignoreWithoutReason, Severity: Off, Hadolint: Off, Summary: "Comments that suppress findings should state the reason"})
	for _, r := range l.rules {
		for _, n := range r.names() {
			l.byName[strings.ToLower(n)] = r
			l.names = append(l.names, n)
		}
	}
	return l
}

// With returns a linter with the same rules and other settings.
func (l *Linter) With(s Settings) *Linter {
	c := *l
	c.settings = s
	return &c
}

// Rules returns all rules, BuildKit's first.
func (l *Linter) Rules() []*Rule { return l.rules }

// Rule returns the rule with a name or code in any case, or nil.
func (l *Linter) Rule(name string) *Rule {
	name = strings.ToLower(baseName(name))
	switch name {
	case "dl3012", "dl4003", "dl4004":
		name = "multipleinstructionsdisallowed"
	}
	return l.byName[name]
}

// Expand returns the names that a name or a pattern such as DL30* selects, in lower case. It
// returns nil if the name is unknown.
func (l *Linter) Expand(name string) []string {
	name = strings.ToLower(baseName(name))
	if r := l.byName[name]; r != nil {
		return []string{strings.ToLower(r.Name)}
	}
	var list []string
	for _, n := range append(l.names, otherCodes()...) {
		n = strings.ToLower(n)
		if ok, err := path.Match(name, n); ok && err == nil {
			if r := l.byName[n]; r != nil {
				n = strings.ToLower(r.Name)
			}
			list = append(list, n)
		}
	}
	if len(list) == 0 && IsShellCheck(name) {
		list = append(list, name)
	}
	return list
}

// Names returns the names and codes of all rules, for suggestions.
func (l *Linter) Names() []string { return l.names }

// otherCodes are codes of errors and of findings that have no rule of their own.
func otherCodes() []string {
	return []string{"DL3011", "DL3012", "DL3023", "DL3043", "DL3061", "DL4003", "DL4004", "error"}
}

// known reports whether a name belongs to a rule or a code.
func (l *Linter) known(name string) bool {
	name = strings.ToLower(baseName(name))
	if l.byName[name] != nil || strings.HasPrefix(name, "sc") || name == "*" || name == "all" {
		return true
	}
	return slices.ContainsFunc(otherCodes(), func(c string) bool { return strings.EqualFold(c, name) })
}

// matches reports whether a name in a pragma or a configuration selects a finding.
func (l *Linter) matches(name string, f *Finding) bool {
	name = baseName(name)
	switch {
	case name == "":
		return false
	case name == "*":
		return f.Rule != nil
	case f.Alias != "" && strings.EqualFold(name, f.Alias):
		return true
	case f.Rule == nil:
		return false
	}
	return strings.EqualFold(name, f.Rule.Name) || strings.EqualFold(name, f.Rule.Code)
}

// baseName returns the part of a name after the last slash, such as DL3008 for hadolint/DL3008.
func baseName(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// Result is the result of checking a file.
type Result struct {
	File       *File
	Findings   []*Finding // sorted by position; without those that pragmas suppress
	Suppressed []*Finding
}

// Pass holds the state of checking one file. Not safe for concurrent use.
type Pass struct {
	File     *File
	Options  Options
	Settings RuleSettings
	Findings []*Finding

	linter   *Linter
	settings Settings
	rule     *Rule
	done     map[onceKey]bool
}

// Load parses and plans a file, even if it is invalid.
func Load(ctx context.Context, src *source.File, opt Options) *File {
	return load(ctx, src, opt, script.NewParser())
}

// Lint checks a file.
func (l *Linter) Lint(ctx context.Context, src *source.File, opt Options) *Result {
	return l.Check(ctx, Load(ctx, src, opt), opt)
}

// Check checks a file that [Load] has returned for the same options. While it runs, nothing else
// may read the environments of the plan.
func (l *Linter) Check(ctx context.Context, f *File, opt Options) *Result {
	p := &Pass{File: f, Options: opt, Settings: l.settings.Rules, linter: l, settings: l.settings}
	p.errors()
	if f.Syntax != nil {
		p.runBuildKit()
		p.runRules()
		p.shellCheck(ctx)
		p.suppress(f.pragmas())
	}
	return p.result()
}

// severity returns the configured severity of a rule.
func (p *Pass) severity(r *Rule) diag.Severity {
	for _, name := range r.names() {
		if s, ok := p.settings.Severity[strings.ToLower(name)]; ok {
			return s
		}
	}
	return r.Severity
}

// Report adds a finding about the range rng.
func (p *Pass) Report(rng source.Range, format string, args ...any) *Finding {
	f := &Finding{Rule: p.rule, Alias: p.rule.Code}
	f.Severity = p.severity(p.rule)
	f.Code = p.rule.Name
	f.Message = fmt.Sprintf(format, args...)
	f.Range = rng
	p.Findings = append(p.Findings, f)
	return f
}

// onceKey identifies what a rule does once for a stage.
type onceKey struct {
	rule  *Rule
	stage *Stage
}

// Once reports whether the current rule calls it for the first time with the stage. Rules use it
// for fixes that cover a whole stage.
func (p *Pass) Once(st *Stage) bool {
	key := onceKey{p.rule, st}
	if p.done[key] {
		return false
	}
	if p.done == nil {
		p.done = map[onceKey]bool{}
	}
	p.done[key] = true
	return true
}

// Replace returns an edit that replaces a range.
func Replace(r source.Range, text string) diag.Edit { return diag.Edit{Range: r, New: text} }

// InsertBefore returns an edit that inserts text before a range.
func InsertBefore(r source.Range, text string) diag.Edit {
	r.End = r.Start
	return diag.Edit{Range: r, New: text}
}

// InsertAfter returns an edit that inserts text after a range.
func InsertAfter(r source.Range, text string) diag.Edit {
	r.Start = r.End
	return diag.Edit{Range: r, New: text}
}

// errors adds a finding for each error in the syntax and in the plan.
func (p *Pass) errors() {
	for _, d := range p.File.Errors {
		f := &Finding{Diagnostic: *d}
		f.Code = "error"
		f.Alias = errorAlias(d.Message)
		p.Findings = append(p.Findings, f)
	}
}

// errorAlias returns hadolint's code for an error, or "".
func errorAlias(message string) string {
	for _, e := range []struct{ text, code string }{
		{"no build stage in current context", "DL3061"},
		{"isn't allowed as an ONBUILD trigger", "DL3043"},
		{"Chaining ONBUILD via", "DL3043"},
		{"circular dependency", "DL3023"},
		{"invalid containerPort", "DL3011"},
		{"invalid port", "DL3011"},
	} {
		if strings.Contains(message, e.text) {
			return e.code
		}
	}
	return ""
}

// runRules calls the callbacks of the rules.
func (p *Pass) runRules() {
	var active []*Rule
	for _, r := range p.linter.rules {
		if !r.BuildKit && p.severity(r) != Off {
			active = append(active, r)
		}
	}
	each := func(f func(*Checks)) {
		for _, p.rule = range active {
			f(&p.rule.Checks)
		}
	}
	each(func(c *Checks) {
		if c.File != nil {
			c.File(p)
		}
	})
	for _, in := range p.File.Syntax.Instructions() {
		each(func(c *Checks) {
			if c.Node != nil {
				c.Node(p, in)
			}
		})
	}
	for _, st := range p.File.Stages {
		each(func(c *Checks) {
			if c.Stage != nil {
				c.Stage(p, st)
			}
		})
		for _, in := range st.Instructions {
			p.instruction(in, each)
		}
	}
}

// instruction calls the callbacks for an instruction and its scripts.
func (p *Pass) instruction(in *Instruction, each func(func(*Checks))) {
	if _, ok := in.Command.(*instructions.Onbuild); !ok {
		each(func(c *Checks) {
			if c.Instruction != nil {
				c.Instruction(p, in, in.Command)
			}
		})
	}
	for _, s := range in.Scripts {
		each(func(c *Checks) {
			if c.Script != nil {
				c.Script(p, s)
			}
		})
		for _, cmd := range s.Commands {
			each(func(c *Checks) {
				if c.Command != nil {
					c.Command(p, cmd)
				}
			})
		}
	}
}

// nextSame returns the instruction after a finding that has the same keyword in the same stage,
// or nil.
func (p *Pass) nextSame(f *Finding) *parser.Instruction {
	keyword := f.Range.String()
	for _, in := range p.File.Syntax.Instructions() {
		switch {
		case in.Rng.Start <= f.Range.Start:
		case strings.EqualFold(in.Keyword.String(), "from"):
			return nil
		case strings.EqualFold(in.Keyword.String(), keyword):
			return in
		}
	}
	return nil
}
