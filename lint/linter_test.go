package lint_test

import (
	"fmt"
	"strings"
	"testing"

	"slipway/diag"
	"slipway/lint"
	"slipway/lint/rules"
	"slipway/source"
)

// summary returns the findings of a Dockerfile, one per line: line, column, code and alias.
func summary(t *testing.T, s lint.Settings, dockerfile string) string {
	t.Helper()
	res := lint.New(rules.All(), s).Lint(t.Context(), source.NewFile("Dockerfile", []byte(dockerfile)), lint.Options{})
	var b strings.Builder
	for _, f := range res.Findings {
		at := f.Range.Position()
		fmt.Fprintf(&b, "%d:%d %s", at.Line, at.Column, f.Code)
		if f.Alias != "" {
			fmt.Fprintf(&b, " %s", f.Alias)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// TestPragmas checks which findings each comment suppresses.
func TestPragmas(t *testing.T) {
	const user = "FROM debian:12\n%sUSER root\n"
	for _, tc := range []struct{ name, dockerfile, want string }{
		{"none", fmt.Sprintf(user, ""), "2:6 FinalUserIsRoot DL3002\n"},
		{"code", fmt.Sprintf(user, "# hadolint ignore=DL3002\n"), ""},
		{"name", fmt.Sprintf(user, "# hadolint ignore=FinalUserIsRoot\n"), ""},
		{"name in lower case", fmt.Sprintf(user, "# hadolint ignore=finaluserisroot\n"), ""},
		{"prefix", fmt.Sprintf(user, "#hadolint ignore = hadolint/DL3002\n"), ""},
		{"tally", fmt.Sprintf(user, "# tally ignore=DL3002\n"), ""},
		{"other", fmt.Sprintf(user, "# hadolint ignore=DL3008\n"), "3:6 FinalUserIsRoot DL3002\n"},
		{"370: reason", fmt.Sprintf(user, "# hadolint ignore=DL3008, DL3002 # because\n"), ""},
		{"1028: reason", fmt.Sprintf(user, "# hadolint ignore=DL3002 because\n"), ""},
		{"several", fmt.Sprintf(user, "# hadolint ignore=DL3008\n# hadolint ignore=DL3002\n"), ""},
		{"blank line", fmt.Sprintf(user, "# hadolint ignore=DL3002\n\n"), "4:6 FinalUserIsRoot DL3002\n"},
		{"check", fmt.Sprintf(user, "# check=skip=DL3002 because\n"), ""},
		{"check of the file", "# check=skip=FinalUserIsRoot\nFROM debian:12\nUSER root\n", ""},
		{"check of all", "# check=skip=all\nFROM debian:12\nUSER root\n", ""},
		{"global", "FROM debian:12\nUSER root\n# hadolint global ignore=DL3002\n", ""},
		{"1096: stage", "# hadolint stage ignore=DL3006\nFROM a AS x\nFROM b\n", "3:6 ImageWithoutTag DL3006\n"},
		{
			"461: between lines",
			"FROM debian:12\nRUN apt-get update && \\\n    # hadolint ignore=DL3008\n    apt-get install -y --no-install-recommends a && \\\n    apt-get install -y --no-install-recommends b && rm -rf /var/lib/apt/lists\n",
			"5:48 UnpinnedApt DL3008\n",
		},
		{"unknown name", fmt.Sprintf(user, "# hadolint ignore=DL302,DL3002\n"), "2:19 UnknownRule\n"},
		{"above the other instruction", "FROM debian:12\nCMD [\"a\"]\n# hadolint ignore=DL4003\nCMD [\"b\"]\n", ""},
		{"alias of the finding", "FROM debian:12\n# hadolint ignore=DL4004\nCMD [\"a\"]\nCMD [\"b\"]\n", "3:1 MultipleInstructionsDisallowed DL4003\n"},
		{"error", "# hadolint ignore=DL3061\nRUN a\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := summary(t, lint.Settings{}, tc.dockerfile); got != tc.want {
				t.Errorf("findings %q, want %q", got, tc.want)
			}
		})
	}
}

// TestDisabledPragmas checks that DisablePragmas leaves only # check= in force.
func TestDisabledPragmas(t *testing.T) {
	s := lint.Settings{DisablePragmas: true}
	if got := summary(t, s, "FROM debian:12\n# hadolint ignore=DL3002\nUSER root\n"); got != "3:6 FinalUserIsRoot DL3002\n" {
		t.Errorf("with a comment of hadolint: %q", got)
	}
	if got := summary(t, s, "FROM debian:12\n# check=skip=DL3002\nUSER root\n"); got != "" {
		t.Errorf("with # check=: %q", got)
	}
}

// TestUnusedPragmas checks that comments without an effect are reported if the rule is on.
func TestUnusedPragmas(t *testing.T) {
	s := lint.Settings{Severity: map[string]diag.Severity{"unusedignore": diag.Info}}
	const dockerfile = "FROM debian:12\n# hadolint ignore=DL3008\n# hadolint ignore=DL3002\nUSER root\n# hadolint ignore=SC2086\nRUN x\n"
	if got, want := summary(t, s, dockerfile), "2:1 UnusedIgnore\n"; got != want {
		t.Errorf("findings %q, want %q", got, want)
	}
}

// TestRequiredReason checks that comments without a reason are reported if the rule is on.
func TestRequiredReason(t *testing.T) {
	s := lint.Settings{Severity: map[string]diag.Severity{"ignorewithoutreason": diag.Warning}}
	const dockerfile = "FROM debian:12\n# hadolint ignore=DL3002, DL3004\nUSER root\n# hadolint ignore=DL3004 the base has no root\nRUN sudo x\n# shellcheck disable=SC2086\nCMD [\"x\"]\n"
	if got, want := summary(t, s, dockerfile), "2:19 IgnoreWithoutReason\n6:22 IgnoreWithoutReason\n"; got != want {
		t.Errorf("findings %q, want %q", got, want)
	}
}

// TestBrokenFiles checks that a file with errors is checked in all its valid parts.
func TestBrokenFiles(t *testing.T) {
	for _, tc := range []struct{ name, dockerfile, want string }{
		{"unknown instruction", "FROM debian\nNOPE\nUSER root\n", "1:6 ImageWithoutTag DL3006\n2:1 error\n3:6 FinalUserIsRoot DL3002\n"},
		{"grammar", "FROM debian:12\nENV A\nUSER root\nENV B\n", "2:5 error\n3:6 FinalUserIsRoot DL3002\n4:5 error\n"},
		{"no FROM", "RUN sudo a\n", "1:1 error DL3061\n1:5 NoSudo DL3004\n"},
		{"unterminated heredoc", "FROM debian:12\nUSER root\nRUN <<E\na\n", "2:6 FinalUserIsRoot DL3002\n3:5 error\n"},
		{"empty", "", "1:1 error\n"},
		{"circular", "FROM debian:12 AS a\nCOPY --from=a /x /y\n", "2:13 error DL3023\n"},
		{"trigger", "FROM debian:12\nONBUILD FROM x\n", "2:9 error DL3043\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := summary(t, lint.Settings{}, tc.dockerfile); got != tc.want {
				t.Errorf("findings %q, want %q", got, tc.want)
			}
		})
	}
}

// TestOneFindingPerMistake checks that a mistake is not reported by two rules.
func TestOneFindingPerMistake(t *testing.T) {
	for _, tc := range []struct{ name, dockerfile, want string }{
		{"variable of the same ENV", "FROM debian:12\nENV A=1 B=$A\n", "2:11 EnvUsesSameInstruction DL3044\n"},
		{"variable of an unknown base", "FROM debian:12\nENV A=$JAVA_HOME\n", ""},
		{"misspelt variable", "FROM debian:12\nENV NAME=1\nENV A=$NAMR\n", "3:7 UndefinedVar\n"},
		{"directory in a variable", "FROM debian:12\nWORKDIR $X\n", ""},
		{"drive", "FROM debian:12\nWORKDIR C:/x\n", ""},
		{"relative directory", "FROM debian:12\nWORKDIR x\n", "2:9 WorkdirRelativePath DL3000\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := summary(t, lint.Settings{}, tc.dockerfile); got != tc.want {
				t.Errorf("findings %q, want %q", got, tc.want)
			}
		})
	}
}

// TestSeverity checks that settings change the severity of rules and of single codes.
func TestSeverity(t *testing.T) {
	const dockerfile = "FROM debian:12\nCMD [\"a\"]\nCMD [\"b\"]\nENTRYPOINT [\"a\"]\nENTRYPOINT [\"b\"]\n"
	for _, tc := range []struct{ key, want string }{
		{"multipleinstructionsdisallowed", ""},
		{"dl4003", "4:1 MultipleInstructionsDisallowed DL4004\n"},
		{"dl4004", "2:1 MultipleInstructionsDisallowed DL4003\n"},
	} {
		s := lint.Settings{Severity: map[string]diag.Severity{tc.key: lint.Off}}
		if got := summary(t, s, dockerfile); got != tc.want {
			t.Errorf("%s off: findings %q, want %q", tc.key, got, tc.want)
		}
	}
}

// TestFingerprints checks that fingerprints do not depend on the number of the line, and that
// equal findings have different ones.
func TestFingerprints(t *testing.T) {
	prints := func(dockerfile string) []string {
		res := lint.New(rules.All(), lint.Settings{}).Lint(t.Context(), source.NewFile("Dockerfile", []byte(dockerfile)), lint.Options{})
		return res.Fingerprints(res.Findings)
	}
	a := prints("FROM debian:12\nRUN sudo x\nRUN sudo x &&  y\n")
	b := prints("FROM debian:12\n# comment\n\nRUN sudo x\nENV A=1\nRUN sudo x \\\n && y\n")
	if len(a) != 2 || len(b) != 2 || a[0] != b[0] || a[1] != b[1] || a[0] == a[1] {
		t.Errorf("fingerprints %v and %v", a, b)
	}
	if c := prints("FROM debian:12\nRUN sudo x && z\nRUN sudo x && z\n"); len(c) != 2 || c[0] == c[1] {
		t.Errorf("fingerprints of equal findings: %v", c)
	}
}
