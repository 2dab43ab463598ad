package lint

import (
	"strings"

	"slipway/diag"
	"slipway/linter"
	checks "slipway/linter/rules"
	"slipway/plan"
)

// buildKitCodes returns hadolint's codes for the names of BuildKit's checks, with hadolint's
// severity.
func buildKitCodes() map[string]struct {
	code     string
	hadolint diag.Severity
} {
	type entry = struct {
		code     string
		hadolint diag.Severity
	}
	return map[string]entry{
		"WorkdirRelativePath":             {"DL3000", diag.Error},
		"DuplicateStageName":              {"DL3024", diag.Error},
		"JSONArgsRecommended":             {"DL3025", diag.Warning},
		"FromPlatformFlagConstDisallowed": {"DL3029", diag.Warning},
		"ReservedStageName":               {"DL3063", diag.Warning},
		"SecretsUsedInArgOrEnv":           {"DL3064", diag.Warning},
		"RedundantTargetPlatform":         {"DL3065", diag.Warning},
		"MaintainerDeprecated":            {"DL4000", diag.Error},
		"MultipleInstructionsDisallowed":  {"", diag.Warning}, // the code depends on the instruction
	}
}

// buildKitRules returns a rule without callbacks for each of BuildKit's checks. [linter.Run]
// has the callbacks.
func buildKitRules() (list []*Rule, all []*linter.Rule) {
	codes := buildKitCodes()
	all = checks.All()
	for _, r := range all {
		rule := &Rule{Name: r.Name, Severity: diag.Warning, Hadolint: Off, Summary: r.Description, BuildKit: true}
		if c, ok := codes[r.Name]; ok {
			rule.Code, rule.Hadolint = c.code, c.hadolint
		}
		if r.Experimental {
			rule.Severity = Off
		}
		list = append(list, rule)
	}
	return list, all
}

// runBuildKit adds the findings of BuildKit's checks.
func (p *Pass) runBuildKit() {
	in := linter.Input{File: p.File.Syntax, Dockerfile: p.File.Dockerfile, Plan: p.File.Plan}
	for _, d := range linter.Run(p.linter.checks, in, linter.Config{ExperimentalAll: true}) {
		r := p.linter.byName[strings.ToLower(d.Code)]
		if r == nil || p.repeated(d) {
			continue
		}
		f := &Finding{Diagnostic: *d, Rule: r, Alias: r.Code}
		f.Severity = p.severity(r)
		f.Detail = ""
		if r.Name == "MultipleInstructionsDisallowed" {
			p.aliasMultiple(f)
		}
		p.Findings = append(p.Findings, f)
	}
}

// aliasMultiple sets the code of a finding of MultipleInstructionsDisallowed, which depends on
// the instruction.
func (p *Pass) aliasMultiple(f *Finding) {
	switch strings.ToUpper(f.Range.String()) {
	case "CMD":
		f.Alias = "DL4003"
	case "ENTRYPOINT":
		f.Alias = "DL4004"
	default:
		f.Alias = "DL3012"
	}
	f.also = p.nextSame(f)
}

// repeated reports whether another finding covers the same mistake as a warning d of a build
// check, so that d should not be reported.
func (p *Pass) repeated(d *diag.Diagnostic) bool {
	switch d.Code {
	case "UndefinedVar":
		return p.maySetBase(d)
	case "DuplicateStageName":
		st := p.File.stageAt(d.Range)
		return st != nil && st.Syntax.From.If != nil // the conditions exclude each other, or the build fails
	case "InvalidDefaultArgInFrom", "UndefinedArgInFrom":
		return p.File.incomplete
	case "WorkdirRelativePath":
		path := strings.Trim(d.Range.String(), `"'`)
		return strings.HasPrefix(path, "$") || len(path) > 1 && path[1] == ':'
	}
	return false
}

// maySetBase reports whether the config of an unknown base image may set the variable of a
// warning about an undefined variable, or another rule reports the variable. It reports false if
// a similar name shows that the name is a mistake.
func (p *Pass) maySetBase(d *diag.Diagnostic) bool {
	st := p.File.stageAt(d.Range)
	if p.File.Plan != nil && hasGlobal(p.File.Plan, strings.Trim(d.Range.String(), "${}")) {
		r := p.linter.byName["globalargnotinstage"]
		return r != nil && p.severity(r) != Off
	}
	return st != nil && (!st.BaseKnown || p.File.incomplete) && !strings.Contains(d.Message, "did you mean")
}

// hasGlobal reports whether an ARG before the first FROM declares a variable.
func hasGlobal(pl *plan.Plan, name string) bool {
	for _, g := range pl.Declarations {
		if g.Decl.Key == name {
			return true
		}
	}
	return false
}
