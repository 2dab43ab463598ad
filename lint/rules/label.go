package rules

import (
	"net/mail"
	"net/url"
	"strings"
	"time"

	"slipway/diag"
	"slipway/instructions"
	"slipway/lint"
	"slipway/parser"
)

// labelRules returns the rules about labels. Most of them need a label schema in the
// configuration.
func labelRules() []*lint.Rule {
	value := func(name, code, summary, message, kind string, valid func(string) bool) *lint.Rule {
		return &lint.Rule{
			Name: name, Code: code, Severity: diag.Warning, Hadolint: diag.Warning, Summary: summary,
			Checks: lint.Checks{Instruction: func(p *lint.Pass, in *lint.Instruction, cmd instructions.Command) {
				labelValues(p, in, cmd, kind, func(at parser.Word, key, value string) {
					if value != "" && !valid(value) {
						p.Report(at.Text.Range(), "the label %s %s", key, message)
					}
				})
			}},
		}
	}
	return []*lint.Rule{
		{
			Name: "InvalidLabelKey", Code: "DL3048", Severity: diag.Style, Hadolint: diag.Style,
			Summary: "Keys of labels should follow Docker's guidelines",
			Checks:  lint.Checks{Instruction: invalidLabelKey},
		},
		{
			Name: "LabelMissing", Code: "DL3049", Severity: diag.Info, Hadolint: diag.Info,
			Summary: "An image should have the labels of the schema",
			Checks:  lint.Checks{Stage: labelMissing},
		},
		{
			Name: "LabelNotInSchema", Code: "DL3050", Severity: diag.Info, Hadolint: diag.Info,
			Summary: "An image should only have labels of the schema",
			Checks:  lint.Checks{Instruction: labelNotInSchema},
		},
		{
			Name: "LabelEmpty", Code: "DL3051", Severity: diag.Warning, Hadolint: diag.Warning,
			Summary: "Labels should not be empty",
			Checks: lint.Checks{Instruction: func(p *lint.Pass, in *lint.Instruction, cmd instructions.Command) {
				labelValues(p, in, cmd, "", func(at parser.Word, key, value string) {
					if value == "" {
						p.Report(at.Text.Range(), "the label %s is empty", key)
					}
				})
			}},
		},
		value("LabelNotURL", "DL3052", "A label with the type url should be an absolute URL", "is not a URL", "url", isURL),
		value("LabelNotTime", "DL3053", "A label with the type rfc3339 should be a time", "is not a time, such as 2006-01-02T15:04:05Z", "rfc3339", isTime),
		value("LabelNotLicense", "DL3054", "A label with the type spdx should be a license expression", "is not an SPDX license expression", "spdx", isLicense),
		value("LabelNotGitHash", "DL3055", "A label with the type hash should be a commit", "is not the hash of a commit", "hash", isGitHash),
		value("LabelNotSemver", "DL3056", "A label with the type semver should be a version", "is not a semantic version, such as 1.2.3", "semver", isSemver),
		value("LabelNotEmail", "DL3058", "A label with the type email should be an address", "is not an e-mail address", "email", isEmail),
	}
}

// labelValues calls check for each label of a LABEL that the schema gives the given type, or any
// type if kind is "". It skips values with variables that have no value.
func labelValues(p *lint.Pass, in *lint.Instruction, cmd instructions.Command, kind string, check func(at parser.Word, key, value string)) {
	c, ok := cmd.(*instructions.Label)
	if !ok || len(p.Settings.Labels) == 0 {
		return
	}
	for _, pair := range c.Pairs {
		key, v := in.Expand(pair.Key).Text, in.Expand(pair.Value)
		for _, l := range p.Settings.Labels {
			if l.Key == key && (kind == "" || l.Type == kind) && v.Static {
				check(pair.Value, key, v.Text)
			}
		}
	}
}

func invalidLabelKey(p *lint.Pass, _ *lint.Instruction, cmd instructions.Command) {
	c, ok := cmd.(*instructions.Label)
	if !ok {
		return
	}
	for _, pair := range c.Pairs {
		key := strings.Trim(pair.Key.Value, `"'`)
		if strings.ContainsAny(key, "$") || key == "" {
			continue
		}
		if reason := labelKeyMistake(key); reason != "" {
			p.Report(pair.Key.Text.Range(), "the key of the label %s", reason)
		}
	}
}

// labelKeyMistake returns why a key does not follow Docker's guidelines for labels, or "".
func labelKeyMistake(key string) string {
	lower := func(c byte) bool { return c >= 'a' && c <= 'z' }
	last := key[len(key)-1]
	switch {
	case !lower(key[0]):
		return "does not start with a lower-case letter"
	case !lower(last) && (last < '0' || last > '9'):
		return "does not end with a lower-case letter or a digit"
	case strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789.-_/") != "", strings.ContainsFunc(key, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789.-_/", r)
	}):
		return "has characters other than a-z, 0-9, ., -, _ and /"
	case strings.Contains(key, "..") || strings.Contains(key, "--"):
		return "has two separators in a row"
	case hasAnyPrefix(key, "com.docker.extension.", "com.docker.desktop."):
		return ""
	case hasAnyPrefix(key, "com.docker.", "io.docker.", "org.dockerproject."):
		return "has a prefix that is reserved for Docker"
	}
	return ""
}

func labelMissing(p *lint.Pass, st *lint.Stage) {
	if !st.Leaf || st.Plan == nil || st.Orphan {
		return
	}
	for _, l := range p.Settings.Labels {
		if _, ok := st.Plan.Image.Config.Labels[l.Key]; !ok {
			p.Report(st.Syntax.From.Base.Text.Range(), "the label %s is missing", l.Key)
		}
	}
}

func labelNotInSchema(p *lint.Pass, in *lint.Instruction, cmd instructions.Command) {
	c, ok := cmd.(*instructions.Label)
	if !ok || !p.Settings.StrictLabels {
		return
	}
	for _, pair := range c.Pairs {
		key := in.Expand(pair.Key)
		known := !key.Static
		for _, l := range p.Settings.Labels {
			known = known || l.Key == key.Text
		}
		if !known {
			p.Report(pair.Key.Text.Range(), "the label %s is not in the schema", key.Text)
		}
	}
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.IsAbs() && (u.Host != "" || u.Opaque != "")
}

func isTime(s string) bool {
	_, err := time.Parse(time.RFC3339, s)
	return err == nil
}

func isEmail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s
}

func isGitHash(s string) bool {
	return (len(s) == 7 || len(s) == 40 || len(s) == 64) && strings.Trim(strings.ToLower(s), "0123456789abcdef") == ""
}

// isSemver reports whether s is a version of Semantic Versioning 2.0.0.
func isSemver(s string) bool {
	s, build, hasBuild := strings.Cut(s, "+")
	s, pre, hasPre := strings.Cut(s, "-")
	core := strings.Split(s, ".")
	if len(core) != 3 || hasBuild && !identifiers(build, false) || hasPre && !identifiers(pre, true) {
		return false
	}
	for _, n := range core {
		if n == "" || strings.Trim(n, "0123456789") != "" || len(n) > 1 && n[0] == '0' {
			return false
		}
	}
	return true
}

// identifiers reports whether s is a list of identifiers with dots between them. If strict is
// true, numbers have no leading zeros.
func identifiers(s string, strict bool) bool {
	for id := range strings.SplitSeq(s, ".") {
		if id == "" || strings.ContainsFunc(id, func(r rune) bool {
			return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-'
		}) {
			return false
		}
		if strict && len(id) > 1 && id[0] == '0' && strings.Trim(id, "0123456789") == "" {
			return false
		}
	}
	return true
}

// isLicense reports whether s has the form of an SPDX license expression, such as MIT OR
// (Apache-2.0 WITH LLVM-exception).
func isLicense(s string) bool {
	s = strings.NewReplacer("(", " ( ", ")", " ) ").Replace(s)
	depth, operand := 0, false
	for w := range strings.FieldsSeq(s) {
		switch {
		case w == "(":
			if operand {
				return false
			}
			depth++
		case w == ")":
			if !operand || depth == 0 {
				return false
			}
			depth--
		case is(w, "AND", "OR", "WITH"):
			if !operand {
				return false
			}
			operand = false
		default:
			if operand || !licenseID(w) {
				return false
			}
			operand = true
		}
	}
	return operand && depth == 0
}

// licenseID reports whether a word has the form of a license identifier.
func licenseID(w string) bool {
	w = strings.TrimSuffix(w, "+")
	return w != "" && !strings.ContainsFunc(w, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '.' && r != ':'
	})
}
