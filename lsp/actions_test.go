package lsp

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"slipway/diag"
	"slipway/lint"
	"slipway/lint/rules"
	"slipway/source"
)

// allRules returns the options of a server that runs all rules.
func allRules() Options {
	l := lint.New(rules.All(), lint.Settings{})
	return Options{Checks: func(string, *source.File) (Checks, error) { return Checks{Linter: l}, nil }}
}

// edited returns a text after the edits of a workspace edit.
func edited(t *testing.T, text string, edit *workspaceEdit) string {
	t.Helper()
	var edits []textEdit
	if edit != nil {
		edits = edit.Changes["file:///d/Dockerfile"]
		for _, d := range edit.DocumentChanges {
			edits = append(edits, d.Edits...)
		}
	}
	m, f := newMapper([]byte(text), utf16Encoding), source.NewFile("", []byte(text))
	var list []diag.Edit
	for _, e := range edits {
		list = append(list, diag.Edit{Range: source.Range{File: f, Start: m.offset(e.Range.Start), End: m.offset(e.Range.End)}, New: e.NewText})
	}
	return string(diag.Apply(f, list))
}

// TestCodeActions checks the titles of the actions for a line, and what one of them does.
func TestCodeActions(t *testing.T) {
	const maintainer = "FROM alpine:3.20\nMAINTAINER me\n"
	for _, tc := range []struct {
		text, line, action, want string
	}{
		{"FROM debian:12\nRUN apt-get install curl=1\n", "1", "Ignore AptWithoutYes here", "FROM debian:12\n# hadolint ignore=AptWithoutYes\nRUN apt-get install curl=1\n"},
		{"FROM debian:12\n# hadolint ignore=DL3015 why\nRUN apt-get install curl=1\n", "2", "Ignore AptWithoutYes here", "FROM debian:12\n# hadolint ignore=DL3015,AptWithoutYes why\nRUN apt-get install curl=1\n"},
		{"FROM debian:12\r\nRUN apt-get install curl=1\r\n", "1", "Ignore AptWithoutYes in this file", "# hadolint global ignore=AptWithoutYes\r\nFROM debian:12\r\nRUN apt-get install curl=1\r\n"},
		{maintainer, "1", "Ignore MaintainerDeprecated here", "FROM alpine:3.20\n# check=skip=MaintainerDeprecated\nMAINTAINER me\n"},
		{maintainer, "1", "Ignore MaintainerDeprecated in this file", "# check=skip=MaintainerDeprecated\n" + maintainer},
		{"# check=skip=FromAsCasing;error=false\n" + maintainer, "2", "Ignore MaintainerDeprecated in this file", "# check=skip=FromAsCasing,MaintainerDeprecated;error=false\n" + maintainer},
		{"# syntax=docker/dockerfile:1\nFROM alpine:3.20 AS Up\n", "1", "Ignore StageNameCasing here", "# syntax=docker/dockerfile:1\n\n# check=skip=StageNameCasing\nFROM alpine:3.20 AS Up\n"},
		{"FROM alpine:3.20\nRUN cd /x\nCOPPY 🐳\nMAINTAINER me\n", "3", "Ignore MaintainerDeprecated here", "FROM alpine:3.20\nRUN cd /x\nCOPPY 🐳\n# check=skip=MaintainerDeprecated\nMAINTAINER me\n"},
		{"", "0", "", ""},
	} {
		c := start(t, allRules())
		c.initialize(`{"textDocument":{"diagnostic":{}},"workspace":{"workspaceEdit":{"documentChanges":true}}}`)
		c.open(tc.text)
		actions := c.actions(tc.line, `"only":["quickfix"]`)
		i := slices.IndexFunc(actions, func(a codeAction) bool { return a.Title == tc.action })
		switch {
		case tc.action == "" && len(actions) == 0:
		case i < 0:
			t.Errorf("%q: no action %q in %v", tc.text, tc.action, titles(actions))
		default:
			if got := edited(t, tc.text, actions[i].Edit); got != tc.want {
				t.Errorf("%q %s:\n%q, want\n%q", tc.text, tc.action, got, tc.want)
			}
		}
		c.end()
	}
}

// actions returns the code actions for the start of a line.
func (c *client) actions(line, context string) []codeAction {
	c.t.Helper()
	answer := c.call("textDocument/codeAction", fmt.Sprintf(`{"textDocument":{"uri":"file:///d/Dockerfile"},"range":{"start":{"line":%s,"character":0},"end":{"line":%s,"character":99}},"context":{"diagnostics":[],%s}}`, line, line, context))
	var list []codeAction
	if err := json.Unmarshal([]byte(answer), &list); err != nil {
		c.t.Fatalf("%s: %v", answer, err)
	}
	return list
}

// titles returns the titles of actions, with a star after the preferred ones.
func titles(list []codeAction) []string {
	var out []string
	for _, a := range list {
		if a.IsPreferred {
			a.Title += "*"
		}
		out = append(out, a.Title)
	}
	return out
}

// TestFixes checks that the fixes of findings are offered, one by one and all at once, with the
// effect of slipway lint --fix.
func TestFixes(t *testing.T) {
	const text = "FROM debian:12\nRUN apt-get install -y curl=1\nRUN apt-get install wget=1\nRUN apt-get install vim=1\n"
	c := start(t, allRules())
	c.initialize(`{"textDocument":{"diagnostic":{}}}`)
	c.open(text)
	first := c.actions("1", `"only":["quickfix"]`)
	if len(first) == 0 || first[0].Title != "add --no-install-recommends (may change the image)" || first[0].IsPreferred {
		t.Errorf("first line: %v", titles(first))
	} else if got := edited(t, text, first[0].Edit); !strings.Contains(got, "install -y --no-install-recommends curl=1\n") && !strings.Contains(got, "--no-install-recommends -y curl=1\n") {
		t.Errorf("first line: %q", got)
	}
	list := c.actions("2", `"only":["quickfix"]`)
	if i := slices.IndexFunc(list, func(a codeAction) bool { return a.Title == "Fix all findings of AptWithoutYes in the file" }); i < 0 {
		t.Errorf("no action for all findings of the rule: %v", titles(list))
	} else if got := edited(t, text, list[i].Edit); strings.Count(got, "-y") != 3 {
		t.Errorf("all findings of the rule: %q", got)
	}
	if list = c.actions("0", `"only":["source"]`); len(list) != 1 || list[0].Kind != kindFixAll {
		t.Fatalf("fix all: %v", titles(list))
	}
	got := edited(t, text, list[0].Edit)
	if strings.Count(got, "-y") != 3 {
		t.Errorf("fix all: %q", got)
	}
	if list = c.actions("0", `"triggerKind":2`); slices.ContainsFunc(list, func(a codeAction) bool { return a.Kind == kindFixAll }) {
		t.Errorf("unasked: %v", titles(list))
	}
	c.end()
}

// TestConfigurationError checks that an invalid configuration is reported and other findings stay,
// and that an excluded file has no findings.
func TestConfigurationError(t *testing.T) {
	for _, tc := range []struct {
		checks Checks
		err    error
		want   string
	}{
		{Checks{}, errors.New("broken"), "0:0-0:21 1  broken\n0:20-0:21 2 StageNameCasing Stage name 'A' should be lowercase\n"},
		{Checks{Excluded: true}, nil, ""},
	} {
		c := start(t, Options{Checks: func(string, *source.File) (Checks, error) { return tc.checks, tc.err }})
		c.initialize(`{"textDocument":{"diagnostic":{}}}`)
		c.open("FROM alpine:3.20 AS A\n")
		var report diagnosticReport
		if text := c.call("textDocument/diagnostic", documentURI); json.Unmarshal([]byte(text), &report) != nil {
			t.Fatal(text)
		}
		if got := shown(t, report.Items); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
		c.end()
	}
}

// TestChangedLines checks the edit from one text to another.
func TestChangedLines(t *testing.T) {
	texts := []string{"", "a", "a\n", "a\nb\n", "b\na\n", "a\na\n", "a\nc\nb\n", "xa\nb\n", "a\nb", "\n\n"}
	for _, from := range texts {
		for _, to := range texts {
			f := source.NewFile("", []byte(from))
			e := changedLines(f, []byte(to))
			if got := from[:e.Range.Start] + e.New + from[e.Range.End:]; got != to {
				t.Errorf("%q to %q: %q", from, to, got)
			}
		}
	}
}
