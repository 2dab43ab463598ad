package lsp

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"slipway/lint"
	"slipway/lint/rules"
	"slipway/source"
)

// gated returns options with all rules, for a Dockerfile in a directory with included files.
func gated() Options {
	dir := fstest.MapFS{
		"Dockerfile":              {},
		"parts/tools.dockerfile":  {Data: []byte("ENV TOOLS=🐳\n")},
		"parts/stages.dockerfile": {Data: []byte("FROM scratch AS tools\n")},
		"parts/broken.dockerfile": {Data: []byte("USER x\nCOPPY a /\n")},
	}
	l := lint.New(rules.All(), lint.Settings{})
	return Options{Checks: func(string, *source.File) (Checks, error) {
		return Checks{Linter: l, Options: lint.Options{Dir: dir}}, nil
	}}
}

// gate is the start of a file with extensions.
const gate = "# syntax=slipway/dockerfile:1\n# slipway=1.0\n\n"

// TestExtensionCompletion checks what is offered in files with a gate.
func TestExtensionCompletion(t *testing.T) {
	for _, tc := range []struct {
		text string
		want []string // some of the labels
		not  []string
	}{
		{gate + "§", []string{"FROM", "ARG", "LET", "INCLUDE"}, []string{"UNSET", "RUN"}},
		{gate + "FROM a\n§", []string{"RUN", "LET", "INCLUDE", "UNSET"}, nil},
		{"FROM a\n§", []string{"RUN"}, []string{"LET", "INCLUDE", "UNSET"}},
		{gate + "FROM a\nRUN --§", []string{"--mount=", "--if=", "--no-cache", "--shell=", "--expand"}, []string{"--retry", "--args"}},
		{"FROM a\nRUN --§", []string{"--mount="}, []string{"--if="}},
		{gate + "FROM a\nUNSET §", []string{"ENV", "ENTRYPOINT"}, nil},
		{gate + "FROM a\nINCLUDE §", []string{"parts/"}, []string{"Dockerfile"}},
		{gate + "FROM a\nINCLUDE parts/t§", []string{"tools.dockerfile"}, []string{"broken.dockerfile"}},
		{gate + "LET V=1\nFROM a\nENV A=$§", []string{"V"}, nil},
		{gate + "INCLUDE parts/stages.dockerfile\nFROM a\nCOPY --from=§", []string{"tools"}, nil},
	} {
		answer, _ := request(t, gated(), "textDocument/completion", tc.text, "")
		var list completionList
		if err := json.Unmarshal([]byte(answer), &list); err != nil {
			t.Fatal(answer)
		}
		var labels []string
		for _, i := range list.Items {
			labels = append(labels, i.Label)
		}
		for _, w := range tc.want {
			if !slices.Contains(labels, w) {
				t.Errorf("%q: %v, want %s", tc.text, labels, w)
			}
		}
		for _, w := range tc.not {
			if slices.Contains(labels, w) {
				t.Errorf("%q: %v, do not want %s", tc.text, labels, w)
			}
		}
	}
}

// TestExtensionHover checks descriptions in files with a gate.
func TestExtensionHover(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{gate + "FROM a\nUN§SET CMD\n", "removes a part of the image's config"},
		{gate + "FROM a\nRUN --i§f=$A b\n", "leave out the instruction unless the condition holds"},
		{gate + "LET V=1\nFROM a\nENV A=$§V\n", "`V` = `1`\\n\\nLET in line 4"},
		{gate + "FROM a\nINCLUDE parts/tools.dockerfile\nENV A=$§TOOLS\n", "`TOOLS` = `🐳`"},
		{gate + "INCLUDE parts/stages.dockerfile\nFROM a\nCOPY --from=to§ols a /\n", "line 1 of `stages.dockerfile`"},
	} {
		answer, _ := request(t, gated(), "textDocument/hover", tc.text, "")
		if !strings.Contains(answer, tc.want) {
			t.Errorf("%q: %s, want %s", tc.text, answer, tc.want)
		}
	}
}

// TestExtensionDefinition checks what names in files with a gate lead to.
func TestExtensionDefinition(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{gate + "FROM a\nINCLUDE parts/§tools.dockerfile\n", `{"uri":"file:///d/parts/tools.dockerfile","range":{"start":{"line":0,"character":0},"end":{"line":0,"character":0}}}`},
		{gate + "FROM a\nINCLUDE parts/§none\n", "null"},
		{gate + "INCLUDE parts/stages.dockerfile\nFROM to§ols\n", `{"uri":"file:///d/parts/stages.dockerfile","range":{"start":{"line":0,"character":0},"end":{"line":0,"character":4}}}`},
		{gate + "LET V=1\nFROM a\nRUN --if=$V echo $§V\n", `{"uri":"file:///d/Dockerfile","range":{"start":{"line":3,"character":4},"end":{"line":3,"character":5}}}`},
	} {
		if answer, _ := request(t, gated(), "textDocument/definition", tc.text, ""); answer != tc.want {
			t.Errorf("%q: %s, want %s", tc.text, answer, tc.want)
		}
	}
}

// TestIncludedErrors checks that an error in an included file is shown at the INCLUDE, with its
// location, and that the document is checked again when the included file is saved.
func TestIncludedErrors(t *testing.T) {
	dir := fstest.MapFS{"part": {Data: []byte("# 🐳\nCOPPY a /\n")}}
	l := lint.New(rules.All(), lint.Settings{})
	c := start(t, Options{Checks: func(string, *source.File) (Checks, error) {
		return Checks{Linter: l, Options: lint.Options{Dir: dir}}, nil
	}})
	c.initialize(`{"textDocument":{"publishDiagnostics":{"relatedInformation":true}}}`)
	c.open(gate + "FROM scratch\nINCLUDE part\n")
	const at = `"range":{"start":{"line":4,"character":8},"end":{"line":4,"character":12}},"severity":1,"source":"slipway","message":"part:2:1: dockerfile parse error on line 2: unknown instruction: COPPY (did you mean COPY?)"`
	const related = `"relatedInformation":[{"location":{"uri":"file:///d/part","range":{"start":{"line":1,"character":0},"end":{"line":1,"character":5}}}`
	if got := c.receive(); !strings.Contains(got, at) || !strings.Contains(got, related) {
		t.Errorf("%s, want %s and %s", got, at, related)
	}
	dir["part"].Data = []byte("USER a\n")
	c.notify("textDocument/didSave", `{"textDocument":{"uri":"file:///d/other"}}`)
	c.notify("textDocument/didSave", `{"textDocument":{"uri":"file:///d/part"}}`)
	if got := c.receive(); !strings.Contains(got, `"diagnostics":[]`) {
		t.Errorf("after saving: %s", got)
	}
	c.end()
}

// TestExtensionRename checks that a LET is renamed in all stages.
func TestExtensionRename(t *testing.T) {
	answer, _ := request(t, gated(), "textDocument/rename", gate+"LET V§=1\nFROM a:$V AS x IF $V\nRUN --if=$V echo $V\nFROM x\nENV A=$V\n", `,"newName":"W"`)
	if n := strings.Count(answer, `"newText":"W"`); n != 6 {
		t.Errorf("%d edits, want 6: %s", n, answer)
	}
}
