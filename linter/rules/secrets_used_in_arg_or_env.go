package rules

import (
	"slices"
	"strings"

	"slipway/instructions"
	"slipway/linter"
	"slipway/plan"
	"slipway/source"
)

// secretsUsedInArgOrEnv finds ARGs and ENVs of stages whose names tell that
// they hold secrets.
//
// Upstream: ARGs before the first FROM are not looked at.
func secretsUsedInArgOrEnv() *linter.Rule {
	r := knownSecretsUsedInArgOrEnv
	return r.rule(linter.Checks{Fact: func(p *linter.Pass, v *plan.Visit, f plan.Fact) {
		a, ok := f.(*plan.Assigned)
		if !ok || !isSecret(a.Key) {
			return
		}
		switch v.Command.(type) {
		case *instructions.Arg:
			p.Report(keyAt(a), "%s", r.text("ARG", a.Key))
		case *instructions.Env:
			p.Report(keyAt(a), "%s", r.text("ENV", a.Key))
		default: // labels are public
		}
	}})
}

// isSecret tells whether a part of the name, between underscores, says so and
// none says that only the way to the secret is meant.
func isSecret(key string) bool {
	secrets := []string{"apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"}
	others := []string{"public", "file", "version"}
	secret := false
	for part := range strings.SplitSeq(key, "_") {
		is := func(word string) bool { return strings.EqualFold(word, part) }
		if slices.ContainsFunc(others, is) {
			return false
		}
		secret = secret || slices.ContainsFunc(secrets, is)
	}
	return secret
}

// keyAt returns where the key stands, without the value behind it.
func keyAt(a *plan.Assigned) source.Range {
	t := a.Word.Text
	if strings.HasPrefix(t.String(), a.Key) {
		t = t.Slice(0, len(a.Key))
	}
	return t.Range()
}
