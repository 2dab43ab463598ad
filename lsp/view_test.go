package lsp

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ask opens a document, sends a request about it, and decodes the answer.
func ask(t *testing.T, text, method, more string, answer any) {
	t.Helper()
	c := start(t, Options{})
	c.initialize(`{"textDocument":{"diagnostic":{}}}`)
	c.open(text)
	got := c.call(method, `{"textDocument":{"uri":"file:///d/Dockerfile"}`+more+`}`)
	if err := json.Unmarshal([]byte(got), answer); err != nil {
		t.Fatalf("%s: %s, %v", method, got, err)
	}
	c.end()
}

// awkward contains documents in which places are hard to find, and whether they contain stages.
func awkward() []string {
	return []string{
		"", "#", "# only a comment\n", "RUN a\n", "FROM a", "FROM a\r\nRUN a \\\r\n  b\r\n", "\ufeffFROM a\nRUN <<E\n🐳é $A\nE\n",
		"# escape=`\nFROM a\nRUN a `\n # c\n  b\n", "FROM a\nCOPPY 🐳\nRUN [\"a\", \"b\n", "FROM a\nONBUILD RUN x \\\n y\n",
		"FROM a\nRUN <<A <<B\n1\nA\n2\nB\n", "FROM a\nRUN <<A\n", "FROM a\rRUN b\r", "FROM a\nRUN [\"sh\", \"-c\", \"a\\tb $X\"]\n",
	}
}

// TestFolding checks the ranges of lines that an editor can hide.
func TestFolding(t *testing.T) {
	for _, tc := range []struct {
		text, want string
	}{
		{"FROM a\n", ""},
		{"# a\n# b\n\nFROM a\nRUN a \\\n  b\n\n# c\nFROM b\nCOPY <<E /\n1\nE\n", "0-1 comment, 3-5 , 4-5 , 8-11 , 9-11 , 10-11 "},
		{"FROM a\r\nBROKEN\r\nRUN a \\\r\n b\r\n", "0-3 , 2-3 "},
	} {
		var list []foldingRange
		ask(t, tc.text, "textDocument/foldingRange", "", &list)
		var got []string
		for _, r := range list {
			got = append(got, fmt.Sprintf("%d-%d %s", r.StartLine, r.EndLine, r.Kind))
		}
		if s := strings.Join(got, ", "); s != tc.want {
			t.Errorf("%q: %s, want %s", tc.text, s, tc.want)
		}
	}
}

// TestSelection checks the ranges around a cursor.
func TestSelection(t *testing.T) {
	const text = "FROM a\nRUN --mount=type=cache,target=/x cd 🐳 && make \\\n  all\nFROM b\n"
	var list []*selectionRange
	ask(t, text, "textDocument/selectionRange", `,"positions":[{"line":1,"character":43},{"line":1,"character":20}]`, &list)
	m := newMapper([]byte(text), utf16Encoding)
	var got [][]string
	for _, r := range list {
		var parts []string
		for ; r != nil; r = r.Parent {
			parts = append(parts, text[m.offset(r.Range.Start):m.offset(r.Range.End)])
		}
		got = append(got, parts)
	}
	const run = "RUN --mount=type=cache,target=/x cd 🐳 && make \\\n  all"
	want := [][]string{
		{"make", "make \\\n  all", "cd 🐳 && make \\\n  all", run, run + "\n", "FROM a\n" + run + "\n", text},
		{"type=cache,target=/x", "--mount=type=cache,target=/x", run, run + "\n", "FROM a\n" + run + "\n", text},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	ask(t, "", "textDocument/selectionRange", `,"positions":[{"line":7,"character":7}]`, &list)
	if len(list) != 1 || list[0].Range != (textRange{}) {
		t.Errorf("empty document: %v", list)
	}
}

// decoded formats tokens as TEXT:TYPE, with the modifiers as a number.
func decoded(t *testing.T, text string, data []int) string {
	t.Helper()
	m := newMapper([]byte(text), utf16Encoding)
	var list []string
	at := position{}
	for ; len(data) >= 5; data = data[5:] {
		if data[0] > 0 {
			at = position{at.Line + data[0], 0}
		}
		at.Character += data[1]
		start, end := m.offset(at), m.offset(position{at.Line, at.Character + data[2]})
		if data[2] <= 0 || start >= end {
			t.Errorf("%q: empty token at %v", text, at)
			continue
		}
		s := text[start:end] + ":" + legend().Types[data[3]]
		if data[4] != 0 {
			s += fmt.Sprint("+", data[4])
		}
		list = append(list, s)
	}
	return strings.Join(list, " ")
}

// TestSemanticTokens checks the tokens of Dockerfiles and scripts.
func TestSemanticTokens(t *testing.T) {
	for _, tc := range []struct{ text, more, want string }{
		{"", "", ""},
		{
			"# syntax=a/b\n# note\n# hadolint ignore=DL3000\nARG V=1\nFROM a:$V AS x\nFROM x\n", "",
			"#:comment syntax:macro =:comment a/b:string # note:comment # hadolint ignore=DL3000:macro ARG:keyword V:variable+3 =1:string FROM:keyword a:$:string V:variable+2 AS:keyword x:namespace+1 FROM:keyword x:namespace",
		},
		{
			"FROM a\nENV A=🐳 \\\n  B=$A\nLABEL k=v\nEXPOSE 80\nMAINTAINER me\nONBUILD USER x\n", "",
			"FROM:keyword a:string ENV:keyword A:variable+1 🐳:string B:variable+1 $:string A:variable LABEL:keyword k:property v:string EXPOSE:keyword 80:number MAINTAINER:keyword+4 me:string ONBUILD:keyword USER:keyword x:string",
		},
		{
			"FROM a\nRUN --network=none if x -y 'a' \"$B\"; then \\\n # c\n  make | tee f; fi\nCOPY <<E /f\ntext\nE\n", "",
			"FROM:keyword a:string RUN:keyword --network=:parameter none:string if:keyword x:function -y:parameter 'a':string \":string $:variable B:variable \":string then:keyword # c:comment make:function |:operator tee:function fi:keyword COPY:keyword <<E:operator /f:string text:string E:operator",
		},
		{"FROM a\nUSER b\nUSER c\n", `,"range":{"start":{"line":1,"character":0},"end":{"line":1,"character":3}}`, "USER:keyword b:string"},
	} {
		method := "textDocument/semanticTokens/full"
		if tc.more != "" {
			method = "textDocument/semanticTokens/range"
		}
		var got semanticTokens
		ask(t, tc.text, method, tc.more, &got)
		if s := decoded(t, tc.text, got.Data); s != tc.want {
			t.Errorf("%q:\n%s, want\n%s", tc.text, s, tc.want)
		}
	}
}

// TestLinks checks the links of a document.
func TestLinks(t *testing.T) {
	const text = "# syntax=docker/dockerfile:1\nFROM debian:12 AS a\nFROM a\nFROM quay.io/x/y@sha256:00\nFROM $V\nFROM scratch\n" +
		"ADD https://example.com/🐳 https://example.com/$V /\nCOPY --from=ghcr.io/o/i:1 /a /\nCOPY --from=a /a /\n"
	var list []documentLink
	ask(t, text, "textDocument/documentLink", "", &list)
	m := newMapper([]byte(text), utf16Encoding)
	var got []string
	for _, l := range list {
		got = append(got, text[m.offset(l.Range.Start):m.offset(l.Range.End)]+" "+l.Target)
	}
	want := []string{
		"docker/dockerfile:1 https://hub.docker.com/r/docker/dockerfile",
		"debian:12 https://hub.docker.com/_/debian",
		"quay.io/x/y@sha256:00 https://quay.io/repository/x/y",
		"https://example.com/🐳 https://example.com/🐳",
		"ghcr.io/o/i:1 https://ghcr.io/o/i",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for ref, want := range map[string]string{
		"localhost:5000/a": "", "a/b/c": "", "mcr.microsoft.com/dotnet/sdk:9.0": "https://mcr.microsoft.com/artifact/mar/dotnet/sdk", "docker.io/library/a": "https://hub.docker.com/_/a", "A": "",
	} {
		if got := imagePage(ref); got != want {
			t.Errorf("%s: %q, want %q", ref, got, want)
		}
	}
}

// TestHints checks the hints about values and stages.
func TestHints(t *testing.T) {
	const text = "ARG V=1\nFROM a:$V AS b\nENV 🐳=x P=/opt/${Q:-y}\nENV W=${P}/z\nWORKDIR $W\nRUN echo $W\nRUN --mount=type=cache,target=$W echo\nFROM scratch\nCOPY --from=0 $NONE /\n"
	for more, want := range map[string]string{
		"": "1:9 = 1, 3:10 = /opt/y, 4:10 = /opt/y/z, 6:32 = /opt/y/z, 8:13 b",
		`,"range":{"start":{"line":4,"character":0},"end":{"line":5,"character":0}}`: "4:10 = /opt/y/z",
	} {
		var list []inlayHint
		ask(t, text, "textDocument/inlayHint", more, &list)
		var got []string
		for _, h := range list {
			got = append(got, fmt.Sprintf("%d:%d %s", h.Position.Line, h.Position.Character, h.Label))
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%s: %s, want %s", more, s, want)
		}
	}
}

// TestAwkwardDocuments checks that all requests about documents that are hard to parse are answered,
// and that the ranges in the answers are inside of the document.
func TestAwkwardDocuments(t *testing.T) {
	for _, text := range awkward() {
		for _, encoding := range []string{utf8Encoding, utf16Encoding} {
			s := newScene(t, encoding, text)
			for line := range strings.Count(text, "\n") + 2 {
				s.requests(position{line, line % 5})
			}
			s.end()
		}
	}
}
