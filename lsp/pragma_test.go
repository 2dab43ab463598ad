package lsp

import (
	"encoding/json"
	"strings"
	"testing"

	"slipway/lint"
	"slipway/lint/rules"
	"slipway/source"
)

// TestPragmaNames checks the names of rules in comments that suppress findings.
func TestPragmaNames(t *testing.T) {
	l := lint.New(rules.All(), lint.Settings{})
	opt := Options{Checks: func(string, *source.File) (Checks, error) { return Checks{Linter: l}, nil }}
	const stage = "FROM debian:12 AS A\nRUN apt-get install -y --no-install-recommends curl\n"
	for _, tc := range []struct {
		text, first, without string
	}{
		{"# check=skip=§\n" + stage, "StageNameCasing", "DL3008"},
		{"FROM scratch\n# hadolint ignore=DL3000, §\nRUN apt-get install -y --no-install-recommends curl\n", "DL3008", "AptPinned"},
		{"# check=error=§\n" + stage, "", ""},
		{"# a comment §\n" + stage, "", ""},
	} {
		answer, _ := request(t, opt, "textDocument/completion", tc.text, "")
		var list completionList
		if err := json.Unmarshal([]byte(answer), &list); err != nil {
			t.Fatal(answer)
		}
		first := ""
		if len(list.Items) > 0 {
			first = list.Items[0].Label
		}
		if first != tc.first {
			t.Errorf("%q: first %q, want %q", tc.text, first, tc.first)
		}
		if tc.without != "" && strings.Contains(answer, `"label":"`+tc.without+`"`) {
			t.Errorf("%q: offers %s", tc.text, tc.without)
		}
	}
	for _, tc := range []struct{ text, want string }{
		{"FROM a\n# hadolint ignore=DL3000,DL3§008\nRUN b\n", "`DL3008`"},
		{"# check=skip=StageName§Casing\n" + stage, "`StageNameCasing`"},
		{"# check=sk§ip=StageNameCasing\n" + stage, "null"},
		{"FROM a\n# see DL3§008\nRUN b\n", "null"},
	} {
		if answer, _ := request(t, opt, "textDocument/hover", tc.text, ""); !strings.Contains(answer, tc.want) {
			t.Errorf("%q: %s, want %s", tc.text, answer, tc.want)
		}
	}
}
