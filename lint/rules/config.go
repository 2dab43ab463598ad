package rules

import (
	"strings"

	"slipway/diag"
	"slipway/instructions"
	"slipway/lint"
	"slipway/parser"
	"slipway/shell"
	"slipway/source"
)

// configRules returns the rules about the config of the image.
func configRules() []*lint.Rule {
	return []*lint.Rule{
		{
			Name: "FinalUserIsRoot", Code: "DL3002", Severity: diag.Warning, Hadolint: diag.Warning,
			Summary: "The last USER of an image should not be root",
			Checks:  lint.Checks{File: finalUserIsRoot},
		},
		{
			Name: "EnvUsesSameInstruction", Code: "DL3044", Severity: diag.Warning, Hadolint: diag.Error,
			Summary: "ENV cannot use a variable that the same ENV sets",
			Checks:  lint.Checks{Instruction: envUsesSameInstruction},
		},
		{
			Name: "HealthcheckMissing", Code: "DL3057", Severity: lint.Off, Hadolint: lint.Off,
			Summary: "An image should have a health check",
			Checks:  lint.Checks{Stage: healthcheckMissing},
		},
		{
			Name: "UserNotNumeric", Code: "DL3066", Severity: diag.Info, Hadolint: diag.Info,
			Summary: "The user of an image should be a number",
			Checks:  lint.Checks{File: userNotNumeric},
		},
		{
			Name: "HealthcheckShellForm", Severity: diag.Style, Hadolint: lint.Off,
			Summary: "A simple command of HEALTHCHECK does not need a shell",
			Checks:  lint.Checks{Instruction: healthcheckShellForm},
		},
		{
			Name: "SecretsInGlobalArg", Severity: diag.Warning, Hadolint: lint.Off,
			Summary: "ARG before FROM should not hold secrets",
			Checks:  lint.Checks{File: secretsInGlobalArg},
		},
	}
}

// lastUser returns the last USER of a stage or of its bases in the file, with its value. The
// result is nil if there is no USER.
func lastUser(st *lint.Stage) (*lint.Instruction, parser.Word) {
	for ; st != nil; st = st.Base {
		for i := len(st.Instructions) - 1; i >= 0; i-- {
			in := st.Instructions[i]
			if u, ok := in.Command.(*instructions.User); ok && !in.Onbuild {
				return in, u.User
			}
		}
	}
	return nil, parser.Word{}
}

// lastUsers calls report for the last USER of each stage that may be an image.
func lastUsers(p *lint.Pass, report func(at source.Range, value string)) {
	seen := map[*lint.Instruction]bool{}
	for _, st := range p.File.Stages {
		if !st.Leaf {
			continue
		}
		in, word := lastUser(st)
		if in == nil || seen[in] {
			continue
		}
		seen[in] = true
		if v := in.Expand(word); v.Static {
			report(word.Text.Range(), v.Text)
		}
	}
}

func finalUserIsRoot(p *lint.Pass) {
	lastUsers(p, func(at source.Range, value string) {
		if isRoot(value) {
			p.Report(at, "the processes of the image run as root")
		}
	})
}

func userNotNumeric(p *lint.Pass) {
	lastUsers(p, func(at source.Range, value string) {
		name, _, _ := strings.Cut(value, ":")
		if strings.Trim(name, "0123456789") != "" && name != "root" {
			p.Report(at, "Kubernetes can only check that a numeric user is not root (use the UID of %s)", name)
		}
	})
}

func envUsesSameInstruction(p *lint.Pass, in *lint.Instruction, cmd instructions.Command) {
	env, ok := cmd.(*instructions.Env)
	if !ok || env.Legacy || len(env.Pairs) < 2 {
		return
	}
	index := map[string]int{}
	for i, pair := range env.Pairs {
		if _, ok := index[pair.Key.Value]; !ok {
			index[pair.Key.Value] = i
		}
	}
	for i, pair := range env.Pairs {
		res, err := shell.Expander{Escape: p.File.Syntax.Escape}.Expand(pair.Value.Value, nil)
		if err != nil {
			continue
		}
		for _, use := range res.Unmatched {
			first, ok := index[use.Name]
			if !ok || setBefore(in, use.Name) || first == i {
				continue
			}
			at := pair.Value.Text.Range()
			if pair.Value.Text.String() == pair.Value.Value {
				at = pair.Value.Text.Slice(use.Offset, use.End).Range()
			}
			f := p.Report(at, "%s has no value yet, because the same ENV sets it", use.Name)
			if first < i {
				gap := source.Range{File: at.File, Start: env.Pairs[i-1].Value.Text.Range().End, End: pair.Key.Text.Range().Start}
				if strings.Trim(gap.String(), " \t\r\n\\") == "" {
					f.Fix("split the ENV", false, lint.Replace(gap, "\n"+env.In.Keyword.String()+" "))
				}
			}
			break
		}
	}
}

// setBefore reports whether a variable may have a value before an instruction.
func setBefore(in *lint.Instruction, name string) bool {
	if _, ok := in.Lookup(name); ok || in.Visit == nil {
		return true
	}
	for _, a := range in.Visit.Before.Args {
		if a.Key == name {
			return true
		}
	}
	return false
}

func healthcheckMissing(p *lint.Pass, st *lint.Stage) {
	if !st.Leaf || st.Orphan {
		return
	}
	for s := st; s != nil; s = s.Base {
		for _, in := range s.Instructions {
			if _, ok := in.Command.(*instructions.Healthcheck); ok {
				return
			}
		}
		if s.Base == nil && s.Plan != nil && s.Plan.BaseImage != nil && s.Plan.BaseImage.Config.Healthcheck != nil {
			return
		}
	}
	p.Report(st.Syntax.From.Base.Text.Range(), "the image has no HEALTHCHECK")
}

func healthcheckShellForm(p *lint.Pass, in *lint.Instruction, cmd instructions.Command) {
	h, ok := cmd.(*instructions.Healthcheck)
	if !ok || len(h.Test) != 2 || h.Test[0] != "CMD-SHELL" || in.Onbuild || in.Visit != nil && len(in.Visit.Before.Shell) > 0 {
		return
	}
	if strings.ContainsAny(h.Test[1], "$`|&;<>(){}*?[]~\\\"'#!=\n") || h.In.NearJSON() != nil {
		return
	}
	typed, ok := h.In.Args.(*parser.Typed)
	if !ok {
		return
	}
	raw, ok := typed.Args.(*parser.Raw)
	if !ok || !strings.EqualFold(typed.Type.Value, "cmd") {
		return
	}
	words := strings.Fields(h.Test[1])
	if len(words) == 0 || strings.HasPrefix(words[0], "-") {
		return
	}
	array := `["` + strings.Join(words, `", "`) + `"]`
	p.Report(raw.Word.Text.Range(), "the command needs no shell (use a JSON array)").Aliased("DL3025").
		Fix("use a JSON array", false, lint.Replace(raw.Word.Text.Range(), array))
}

func secretsInGlobalArg(p *lint.Pass) {
	for _, arg := range p.File.Dockerfile.Args {
		for _, d := range arg.Args {
			if secretName(d.Key) {
				at := d.Word.Text
				if strings.HasPrefix(at.String(), d.Key) {
					at = at.Slice(0, len(d.Key))
				}
				p.Report(at.Range(), "the value of %s is in the history of the build (use a secret mount)", d.Key).Aliased("DL3064")
			}
		}
	}
}

// secretName reports whether the name of a variable shows that it holds a secret. Names of
// related values, such as AWS_ACCESS_KEY_ID and SSH_AUTH_SOCK, do not.
func secretName(key string) bool {
	upper := strings.ToUpper(key)
	if hasAnySuffix(upper, "_KEY_ID", "_KEY_DIR", "_AUTH_SOCK") {
		return false
	}
	secret := false
	for part := range strings.SplitSeq(upper, "_") {
		if is(part, "PUBLIC", "FILE", "VERSION", "URL", "PATH") {
			return false
		}
		secret = secret || is(part, "APIKEY", "AUTH", "CREDENTIAL", "CREDENTIALS", "KEY", "PASSWORD", "PWORD", "PASSWD", "SECRET", "TOKEN")
	}
	return secret
}
