package frontend

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/subrequests/lint"

	"slipway/diag"
	"slipway/internal/fakegateway"
)

// TestOptIn checks which rules of slipway lint a file enables, in the answer to a client and in the
// findings for the callback. A warning is written as RULE:LINE.
func TestOptIn(t *testing.T) {
	const run = "RUN cd /a && sudo apt-get install b\n" // CdInsteadOfWorkdir, NoSudo, UnpinnedApt, AptWithoutYes, AptInstallsRecommends
	const on = "# check=experimental="
	for _, tc := range []struct{ text, want string }{
		{"FROM a:1\n" + run, ""},
		{on + "all\nFROM a:1\n" + run, ""},
		{on + "UnknownName\nFROM a:1\n" + run, ""},
		{on + "CdInsteadOfWorkdir\nFROM a:1\n" + run, "CdInsteadOfWorkdir:3"},
		{on + "dl3003,hadolint/DL3004\nFROM a:1\n" + run, "CdInsteadOfWorkdir:3 NoSudo:3"},
		{on + "slipway:recommended;skip=DL3003,UnpinnedApt,dl3014\nFROM a:1\n" + run, "NoSudo:3 AptInstallsRecommends:3"},
		{on + "DL3057\nFROM a:1\nCMD [\"b\"]\n", "HealthcheckMissing:2"},
		{on + "slipway:recommended\nFROM a:1\nCMD [\"b\"]\n", ""},
		{"# check=skip=all;experimental=NoSudo\nFROM a:1 as b\n" + run, "NoSudo:3"},
		{on + "NoSudo\nFROM a:1 as b\n" + run, "FromAsCasing:2 NoSudo:3"},
		{on + "NoSudo\nFROM a:1\n# check=skip=DL3004\n" + run + run, "NoSudo:5"},
		{on + "NoSudo\nFROM a:1\n# hadolint ignore=DL3004\n" + run + run, "NoSudo:5"},
		{"FROM a:1\n# check=experimental=NoSudo\n" + run + run, "NoSudo:3"},
		{on + "DL3024\nFROM a:1 AS b\nFROM a:1 AS b\n", "DuplicateStageName:3"}, // one of BuildKit's, which runs anyway
		{on + "NoSudo;skip=NoSudo\nFROM a:1\n" + run, ""},
		{on + "NoSudo\nFROM a:1\nCOPY x\n" + run, "error"},
		{on + "NoSudo\n# slipway=1.0\nFROM a:1\n" + run, "NoSudo:4"},
		{on + "slipway:recommended\n# slipway=1.0\nFROM a:1\nINCLUDE included\n" + run, "GateWithoutSyntax:2 CdInsteadOfWorkdir:5 NoSudo:5 AptInstallsRecommends:5 AptWithoutYes:5 UnpinnedApt:5"},
	} {
		c := fakegateway.New(tc.text, map[string]string{})
		c.Files["included"] = "RUN sudo b\n"
		c.Opts["requestid"] = lint.RequestLint
		var found diag.List
		full, err := Builder{Found: func(l diag.List) { found = l }}.Build(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		upstream, err := Build(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		for what, data := range map[string][]byte{"with findings": full.Metadata["result.json"], "as upstream": upstream.Metadata["result.json"]} {
			if got := rulesOf(t, data); got != tc.want {
				t.Errorf("%q, %s: warnings %s, want %s", tc.text, what, got, tc.want)
			}
		}
		for _, d := range found {
			if d.Severity != diag.Error && d.Severity != diag.Warning || len(d.Fixes) > 0 {
				t.Errorf("%q: finding %+v", tc.text, d)
			}
		}
	}
}

// rulesOf returns the warnings in the answer to a check.
func rulesOf(t *testing.T, data []byte) string {
	t.Helper()
	var answer lint.LintResults
	if err := json.Unmarshal(data, &answer); err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, w := range answer.Warnings {
		list = append(list, fmt.Sprintf("%s:%d", w.RuleName, w.Location.Ranges[0].Start.Line))
	}
	if answer.Error != nil {
		list = append(list, "error")
	}
	return strings.Join(list, " ")
}

// TestOptInBuild checks that a build sends the warnings of enabled rules, that they count for
// error=true, and that BUILDKIT_DOCKERFILE_CHECK enables and skips rules.
func TestOptInBuild(t *testing.T) {
	const text = "FROM a:1\nRUN sudo b\n"
	for _, tc := range []struct {
		text, arg string
		warnings  int
		want      string // the error
	}{
		{text, "", 0, ""},
		{"# check=experimental=NoSudo\n" + text, "", 1, ""},
		{"# check=experimental=NoSudo;error=true\n" + text, "", 1, "lint violation found for rules: NoSudo"},
		{text, "experimental=slipway:recommended", 1, ""},
		{"# check=experimental=NoSudo\n" + text, "skip=all", 0, ""},
		{text, "experimental=DL3004;error=true", 1, "lint violation found for rules: NoSudo"},
	} {
		opts := map[string]string{}
		if tc.arg != "" {
			opts["build-arg:BUILDKIT_DOCKERFILE_CHECK"] = tc.arg
		}
		c := fakegateway.New(tc.text, opts)
		_, err := Build(t.Context(), c)
		if got := fmt.Sprint(err); tc.want == "" && err != nil || !strings.Contains(got, tc.want) {
			t.Errorf("%q, %s: error %v, want %q", tc.text, tc.arg, err, tc.want)
		}
		if n := c.Warnings(); n != tc.warnings {
			t.Errorf("%q, %s: %d warnings, want %d", tc.text, tc.arg, n, tc.warnings)
		}
	}
}

// TestOptInSecret checks that clients do not learn the lines of a secret, which they would print.
func TestOptInSecret(t *testing.T) {
	c := fakegateway.New("# check=experimental=SecretValueInFile\nFROM a:1\nENV T=ghp_16C7e42F292c6912E7710c838347Ae178B4a\n", map[string]string{})
	got, answer := runCheck(t, c)
	if got != "" || len(answer.Warnings) != 1 || len(answer.Warnings[0].Location.Ranges) > 0 || !strings.Contains(answer.Warnings[0].Detail, "(line 3)") {
		t.Errorf("found %q, answer %+v", got, answer)
	}
	if data, err := json.Marshal(answer.Warnings); err != nil || bytes.Contains(data, []byte("ghp_16")) {
		t.Errorf("the answer has the secret, or error %v", err)
	}
}
