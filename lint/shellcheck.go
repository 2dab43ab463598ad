package lint

import (
	"context"
	"path"
	"slices"
	"strings"

	"slipway/diag"
	"slipway/lint/shellcheck"
)

// shellCheckCodes is the pattern of all codes of ShellCheck in lower case.
const shellCheckCodes = "sc*"

// IsShellCheck reports whether a name is a code of ShellCheck, such as SC2086, or a pattern of
// codes.
func IsShellCheck(name string) bool {
	name = strings.ToLower(baseName(name))
	return len(name) > 2 && strings.HasPrefix(name, "sc") && strings.Trim(name[2:], "0123456789*") == ""
}

// shellCheck adds the comments of ShellCheck about the scripts of the file.
func (p *Pass) shellCheck(ctx context.Context) {
	if p.Options.ShellCheck == nil || p.shellCheckOff() {
		return
	}
	var jobs []shellcheck.Job
	unknown := map[*Instruction]bool{}
	for _, st := range p.File.Stages {
		for _, in := range st.Instructions {
			unknown[in] = in.Visit == nil
			names := variables(in)
			for _, s := range in.Scripts {
				jobs = append(jobs, shellcheck.Job{Script: s, Names: names})
			}
		}
	}
	for _, c := range p.Options.ShellCheck.Check(ctx, jobs) {
		if c.Code == "SC2154" && unknown[p.File.InstructionOf(c.Script)] {
			continue // the variables of the instruction are unknown
		}
		f := &Finding{Rule: &Rule{Name: c.Code, Severity: c.Severity, Hadolint: c.Severity}}
		f.Severity, f.Code, f.Message, f.Range = p.shellCheckSeverity(c.Code, c.Severity), c.Code, c.Message, c.Range
		f.URL = "https://www.shellcheck.net/wiki/" + c.Code
		if len(c.Edits) > 0 {
			f.Fix("apply ShellCheck's correction", false, c.Edits...)
		}
		p.Findings = append(p.Findings, f)
	}
}

// variables returns the environment variables of an instruction in order. Each build has the
// variables of proxies.
func variables(in *Instruction) []string {
	var names []string
	for _, n := range []string{"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"} {
		names = append(names, n, strings.ToUpper(n))
	}
	if in.Visit != nil {
		names = append(names, in.Visit.Before.Env.Keys()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// shellCheckOff reports whether all codes of ShellCheck are switched off.
func (p *Pass) shellCheckOff() bool {
	if s, ok := p.settings.Severity[shellCheckCodes]; !ok || s != Off {
		return false
	}
	for name, s := range p.settings.Severity {
		if s != Off && IsShellCheck(name) {
			return false
		}
	}
	return true
}

// shellCheckSeverity returns the configured severity of a code of ShellCheck. Its name precedes
// patterns, and long patterns precede short ones.
func (p *Pass) shellCheckSeverity(code string, given diag.Severity) diag.Severity {
	code = strings.ToLower(code)
	if s, ok := p.settings.Severity[code]; ok {
		return s
	}
	best := ""
	for name := range p.settings.Severity {
		if !IsShellCheck(name) || !strings.Contains(name, "*") || len(name) < len(best) || len(name) == len(best) && name < best {
			continue
		}
		if ok, err := path.Match(name, code); ok && err == nil {
			best = name
		}
	}
	if best != "" {
		return p.settings.Severity[best]
	}
	return given
}
