package lint

import (
	"slices"
	"strings"
)

// result returns the findings in order.
func (p *Pass) result() *Result {
	r := &Result{File: p.File}
	for _, f := range p.Findings {
		if s, ok := p.settings.Severity[strings.ToLower(f.Alias)]; ok && f.Alias != "" && f.Rule != nil {
			f.Severity = s
		}
		switch {
		case f.Severity == Off || p.duplicate(f):
			continue
		case p.File.rootOnly && !f.Range.IsZero() && !p.File.Contains(f.Range):
			continue // an included file has findings of its own
		case p.File.Syntax != nil && p.File.Syntax.Source != p.File.Source:
			f.Diagnostic = *rebased(&f.Diagnostic, p.File.Source)
		}
		if p.File.rootOnly {
			f.Fixes = slices.DeleteFunc(f.Fixes, p.File.editsOthers)
		}
		if f.Ignored != "" {
			r.Suppressed = append(r.Suppressed, f)
		} else {
			r.Findings = append(r.Findings, f)
		}
	}
	sortFindings(r.Findings)
	sortFindings(r.Suppressed)
	return r
}

// explained returns the rules that know the reason of a finding of another rule about the same
// text.
func explained(code string) []string {
	switch code {
	case "UndefinedVar":
		return []string{"EnvUsesSameInstruction"}
	case "JSONArgsRecommended", "ShellSyntax":
		return []string{"AlmostJSON"}
	case "LegacyKeyValueFormat":
		return []string{"EqualsWithSpaces"}
	}
	return nil
}

// duplicate reports whether a finding is about the same text as a finding of a rule that knows
// the reason.
func (p *Pass) duplicate(f *Finding) bool {
	rules := explained(f.Code)
	return rules != nil && slices.ContainsFunc(p.Findings, func(o *Finding) bool {
		return slices.Contains(rules, o.Code) && o.Range.Start <= f.Range.End && f.Range.Start <= o.Range.End
	})
}
