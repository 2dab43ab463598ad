package rules

import (
	"slices"
	"strings"

	"slipway/instructions"
	"slipway/linter"
	"slipway/plan"
	"slipway/source"
)

// secretsUsedInArgOrEnv reports an ARG or ENV in a stage if the name of the variable
// suggests a secret.
//
// Upstream: the rule ignores ARGs before the first FROM.
func secretsUsedInArgOrEnv() *linter.Rule {
	r := catalogueSecretsUsedInArgOrEnv
	return r.rule(linter.Checks{Fact: func(p *linter.Pass, v *plan.Visit, f plan.Fact) {
		a, ok := f.(*plan.Assigned)
		if !ok || !isSecret(a.Key) {
			return
		}
		switch v.Command.(type) {
		case *instructions.Arg:
			p.Report(keyRange(a), "%s", r.text("ARG", a.Key))
		case *instructions.Env:
			p.Report(keyRange(a), "%s", r.text("ENV", a.Key))
		default: // LABEL holds no secrets
		}
	}})
}

// isSecret reports whether the name of a variable suggests a secret. Underscores
// separate the parts of a name. One part must be a word such as TOKEN. No part may be a
// word such as FILE, because the variable then does not contain the secret itself.
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

// keyRange returns the range of the name in an assignment. If quotes or escapes hide the
// name, it returns the range of the whole word.
func keyRange(a *plan.Assigned) source.Range {
	t := a.Word.Text
	if strings.HasPrefix(t.String(), a.Key) {
		t = t.Slice(0, len(a.Key))
	}
	return t.Range()
}
