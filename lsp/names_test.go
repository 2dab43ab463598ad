package lsp

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"slipway/instructions"
	"slipway/lint"
	"slipway/parser"
	"slipway/source"
)

// cursor is the mark of the cursor in the texts of tests.
const cursor = "§"

// request opens a text without the cursor's mark, sends a request about the position of the cursor,
// and returns the answer.
func request(t *testing.T, opt Options, method, text, more string) (answer, plain string) {
	t.Helper()
	before, after, ok := strings.Cut(text, cursor)
	if !ok {
		t.Fatalf("no cursor in %q", text)
	}
	plain = before + after
	p, err := json.Marshal(newMapper([]byte(plain), utf16Encoding).position(len(before)))
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, opt)
	c.initialize(`{"textDocument":{"diagnostic":{},"documentSymbol":{"hierarchicalDocumentSymbolSupport":true}}}`)
	c.open(plain)
	answer = c.call(method, fmt.Sprintf(`{"textDocument":{"uri":"file:///d/Dockerfile"},"position":%s%s}`, p, more))
	c.end()
	return answer, plain
}

// marked returns a text with brackets around the ranges.
func marked(text string, ranges []textRange) string {
	m := newMapper([]byte(text), utf16Encoding)
	slices.SortFunc(ranges, func(a, b textRange) int { return m.offset(b.Start) - m.offset(a.Start) })
	for _, r := range ranges {
		start, end := m.offset(r.Start), m.offset(r.End)
		text = text[:start] + "[" + text[start:end] + "]" + text[end:]
	}
	return text
}

// TestReferences checks the places of a name, and that of its declaration.
func TestReferences(t *testing.T) {
	for _, tc := range []struct{ text, want, definition string }{
		{
			"ARG V=1\nFROM a:$V AS x\nARG §V\nRUN echo \"$V\" '$V' ${V:-2}\nFROM b\nENV V=2\nRUN $V\n",
			"ARG [V]=1\nFROM a:$[V] AS x\nARG [V]\nRUN echo \"$[V]\" '$V' ${[V]:-2}\nFROM b\nENV V=2\nRUN $V\n", "0:4",
		},
		{
			"FROM a AS x\nENV V=1\nFROM x\nCOPY $V /🐳$§V\nCMD echo $V\nFROM c\nRUN $V\n",
			"FROM a AS x\nENV [V]=1\nFROM x\nCOPY $[V] /🐳$[V]\nCMD echo $[V]\nFROM c\nRUN $V\n", "1:4",
		},
		{"FROM a\nENV V=1\nENV V=$V\nRUN $§V\n", "FROM a\nENV [V]=1\nENV [V]=$[V]\nRUN $[V]\n", "2:4"},
		{"FROM a\nENV V=1\nRUN V=2; echo $V\nRUN [\"$V\"]\nLABEL k=$§V\n", "FROM a\nENV [V]=1\nRUN V=2; echo $V\nRUN [\"$V\"]\nLABEL k=$[V]\n", "1:4"},
		{"FROM a\nARG V=1\nCOPY <<E /\n$V '$V'\nE\nCMD $V\nUSER \\\n  ${§V}\n", "FROM a\nARG [V]=1\nCOPY <<E /\n$[V] '$[V]'\nE\nCMD $V\nUSER \\\n  ${[V]}\n", "1:4"},
		{"FROM a AS Up\nFROM up AS b\nCOPY --from=u§p x /\nRUN --mount=from=UP,target=/x y\nCOPY --from=0 x /\n", "FROM a AS [Up]\nFROM [up] AS b\nCOPY --from=[up] x /\nRUN --mount=from=[UP],target=/x y\nCOPY --from=[0] x /\n", "0:10"},
		{"FROM a\nFROM b\nCOPY --from=§0 x /\n", "FROM a\nFROM b\nCOPY --from=[0] x /\n", "0:0"},
		{"\ufeffFROM a\r\nARG V=1\r\nCOPPY $V\r\nRUN $V§\r\n", "\ufeffFROM a\r\nARG [V]=1\r\nCOPPY $V\r\nRUN $[V]\r\n", "1:4"},
		{"FROM a\nRUN $§V\n", "FROM a\nRUN $[V]\n", ""},
		{"§", "", ""},
		{"# only $§V\n", "# only $V\n", ""},
	} {
		answer, plain := request(t, Options{}, "textDocument/references", tc.text, `,"context":{"includeDeclaration":true}`)
		var list []location
		if err := json.Unmarshal([]byte(answer), &list); err != nil {
			t.Fatalf("%s: %v", answer, err)
		}
		var ranges []textRange
		for _, l := range list {
			ranges = append(ranges, l.Range)
		}
		if got := marked(plain, ranges); got != tc.want {
			t.Errorf("references of %q:\n%q, want\n%q", tc.text, got, tc.want)
		}
		answer, _ = request(t, Options{}, "textDocument/definition", tc.text, "")
		got := ""
		if answer != "null" {
			var l location
			if err := json.Unmarshal([]byte(answer), &l); err != nil {
				t.Fatalf("%s: %v", answer, err)
			}
			got = fmt.Sprintf("%d:%d", l.Range.Start.Line, l.Range.Start.Character)
		}
		if got != tc.definition {
			t.Errorf("definition of %q: %q, want %q", tc.text, got, tc.definition)
		}
	}
}

// TestRename checks the text after a rename, and that the rename back restores it. A message in
// want is that of a refusal.
func TestRename(t *testing.T) {
	for _, tc := range []struct{ text, name, want string }{
		{"ARG V=1\nFROM a:$§V\nARG V\nRUN echo ${V}x\n", "W", "ARG W=1\nFROM a:$W\nARG W\nRUN echo ${W}x\n"},
		{"FROM a AS §b\nFROM b\nCOPY --from=b x /\n", "c-1", "FROM a AS c-1\nFROM c-1\nCOPY --from=c-1 x /\n"},
		{"FROM a AS §b\n", "1c", "not a valid name of a stage"},
		{"FROM a AS §b\nFROM b AS c\n", "C", "another stage has the name c"},
		{"FROM a\nCOPY --from=§0 x /\nFROM b\n", "c", "there is no name"},
		{"FROM a\nFROM b\nCOPY --from=§0 x /\n", "c", "only a number"},
		{"FROM a\nRUN $§V\n", "W", "the base image"},
		{"FROM a\nARG §TARGETARCH\n", "W", "predefined"},
		{"FROM a\nENV §V=1 W=2\n", "W", "exists already"},
		{"FROM a\nENV §V=1\nRUN W=1 x $V\n", "W", "sets the variable W"},
		{"FROM a\nENV §V=1\nRUN eval x $V\n", "W", "computes names"},
		{"FROM a\nENV §V=1\n", "1W", "not a valid name of a variable"},
		{"FROM a\nENV §V=1\n", "PATH", "meaning of its own"},
		{"FROM a§\n", "b", "there is no name"},
	} {
		answer, plain := request(t, Options{}, "textDocument/rename", tc.text, fmt.Sprintf(`,"newName":%q`, tc.name))
		var edit workspaceEdit
		if err := json.Unmarshal([]byte(answer), &edit); err != nil || edit.Changes == nil {
			if !strings.Contains(answer, tc.want) {
				t.Errorf("%q to %s: %s, want %q", tc.text, tc.name, answer, tc.want)
			}
			continue
		}
		got := edited(t, plain, &edit)
		if got != tc.want {
			t.Errorf("%q to %s: %q, want %q", tc.text, tc.name, got, tc.want)
		}
		at := strings.Index(tc.text, cursor)
		old := tc.text[at+len(cursor) : at+len(cursor)+1]
		answer, _ = request(t, Options{}, "textDocument/rename", got[:at]+cursor+got[at:], fmt.Sprintf(`,"newName":%q`, old))
		edit = workspaceEdit{}
		if err := json.Unmarshal([]byte(answer), &edit); err != nil || edited(t, got, &edit) != plain {
			t.Errorf("%q to %s and back: %s", tc.text, tc.name, answer)
		}
	}
}

// TestRenameAnnotation checks that the editor asks before it renames a variable of the image.
func TestRenameAnnotation(t *testing.T) {
	c := start(t, Options{})
	c.initialize(`{"textDocument":{"diagnostic":{}},"workspace":{"workspaceEdit":{"documentChanges":true,"changeAnnotationSupport":{}}}}`)
	c.open("FROM a\nENV V=1\n")
	const at = `{"textDocument":{"uri":"file:///d/Dockerfile"},"position":{"line":1,"character":4},"newName":"W"}`
	got := c.call("textDocument/rename", at)
	for _, want := range []string{`"version":1`, `"annotationId":"environment"`, `"needsConfirmation":true`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if got := c.call("textDocument/prepareRename", at); got != `{"start":{"line":1,"character":4},"end":{"line":1,"character":5}}` {
		t.Errorf("prepareRename: %s", got)
	}
	if got := c.call("textDocument/documentHighlight", at); got != `[{"range":{"start":{"line":1,"character":4},"end":{"line":1,"character":5}},"kind":3}]` {
		t.Errorf("documentHighlight: %s", got)
	}
	c.end()
}

// TestHover checks the descriptions of names, keywords and flags.
func TestHover(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"ARG V=1\nFROM a\nARG V\nRUN echo $§V\n", "`V` = `1`\n\nARG in line 3\n\nARG in line 1 above the first FROM"},
		{"FROM a\nENV V=1\nENV W=${§V}2\n", "`V` = `1`\n\nENV in line 2"},
		{"FROM a\nENV V=1\nENV §W=${V}2\n", "`W` = `12`\n\nENV in line 3"},
		{"FROM scratch\nARG V\nRUN $§V\n", "`V` is not set here\n\nARG in line 2"},
		{"FROM a:1 AS §b\nFROM b\nCOPY --from=b x /\n", "stage `b`, number 0, line 1\n\nfrom `a:1`\n\nused in lines 2, 3"},
		{"FROM a:1 AS b\nFROM b AS §c\n", "stage `c`, number 1, line 2\n\nfrom `b`\n\nfrom `a:1`\n\nno instruction uses it"},
		{"FROM a\nwork§dir /x\n", "**WORKDIR** *path* sets"},
		{"FROM a\nONBUILD R§UN x\n", "**RUN** *command*"},
		{"FROM a\nCOPY --f§rom=b x /\n", "`--from`: the stage"},
		{"FROM a§\n", "null"},
		{"§", "null"},
	} {
		answer, _ := request(t, Options{}, "textDocument/hover", tc.text, "")
		var h hoverResult
		if err := json.Unmarshal([]byte(answer), &h); err != nil {
			t.Fatalf("%s: %v", answer, err)
		}
		if !strings.HasPrefix(h.Contents.Value, tc.want) && answer != tc.want {
			t.Errorf("%q: %q, want %q", tc.text, answer, tc.want)
		}
	}
}

// TestSymbols checks the tree of symbols.
func TestSymbols(t *testing.T) {
	answer, _ := request(t, Options{}, "textDocument/documentSymbol", "§ARG V=1\nFROM a AS b\nENV X=1\nRUN x\nFROM c\n", "")
	var list []documentSymbol
	if err := json.Unmarshal([]byte(answer), &list); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	var write func(list []documentSymbol, indent string)
	write = func(list []documentSymbol, indent string) {
		for _, s := range list {
			fmt.Fprintf(&b, "%s%s (%s) %d-%d\n", indent, s.Name, s.Detail, s.Range.Start.Line, s.Range.End.Line)
			write(s.Children, indent+" ")
		}
	}
	write(list, "")
	if want := "V (V=1) 0-1\nb (a) 1-4\n X (X=1) 2-3\n RUN (x) 3-4\nstage 1 (c) 4-5\n"; b.String() != want {
		t.Errorf("%s, want %s", b.String(), want)
	}
}

// TestCompletion checks which names are offered, and the text after the choice of the first.
func TestCompletion(t *testing.T) {
	listing := lint.NewListing(fstest.MapFS{"src/a.go": {}, "src/b/c": {}, "README.md": {}}, nil)
	opt := Options{Checks: func(string, *source.File) (Checks, error) {
		return Checks{Options: lint.Options{Listing: listing}}, nil
	}}
	for _, tc := range []struct{ text, want, after string }{
		{"§", "FROM ARG without RUN", "ARG"},
		{"FROM a\nRU§", "RUN", "FROM a\nADD"},
		{"from a\nru§", "run onbuild", "from a\nadd"},
		{"FROM a\nONBUILD §", "RUN COPY without FROM ONBUILD", "FROM a\nONBUILD ADD"},
		{"FROM a AS b\nFROM §", "b scratch a", "FROM a AS b\nFROM b"},
		{"FROM a AS b\nFROM c AS d\nCOPY --from=§ x /\n", "b a without d", "FROM a AS b\nFROM c AS d\nCOPY --from=b x /\n"},
		{"FROM a AS b\nFROM c\nRUN --mount=type=bind,from=§", "b", "FROM a AS b\nFROM c\nRUN --mount=type=bind,from=b"},
		{"FROM a\nRUN --mount=type=cache,§", "target= sharing= without type= size=", "FROM a\nRUN --mount=type=cache,target="},
		{"FROM a\nRUN --mount=type=§", "bind cache tmpfs secret ssh", "FROM a\nRUN --mount=type=bind"},
		{"FROM a\nCOPY --link --§", "--from= --chown= without --link", "FROM a\nCOPY --link --from="},
		{"FROM a\nCOPY §", "README.md src/", "FROM a\nCOPY README.md"},
		{"FROM a\nCOPY ./src/§", "a.go b/ without src/", "FROM a\nCOPY ./src/a.go"},
		{"FROM a\nRUN --mount=source=s§", "src/", "FROM a\nRUN --mount=source=src/"},
		{"FROM a\nCOPY --from=b §", "", ""},
		{"FROM a\nARG V=1\nENV W=2\nRUN x \\\n  ${V§}\n", "V W", "FROM a\nARG V=1\nENV W=2\nRUN x \\\n  ${W}\n"},
		{"ARG G=1\nFROM a:$§", "G TARGETARCH", "ARG G=1\nFROM a:$G"},
		{"ARG G=1\nFROM a\nCOPY \\\n  $G§ /\n", "G", ""},
		{"FROM a\nENV V=1\nFROM b\nUSER $§", "without V", ""},
		{"FROM a\n# $§", "", ""},
		{"FROM a\nRUN <<E\nRU§\nE\n", "", ""},
		{"FROM a\nARG V=1\nCOPY <<E /\n$§\nE\n", "V", "FROM a\nARG V=1\nCOPY <<E /\n$V\nE\n"},
		{"FROM a\nSTOPSIGNAL S§", "SIGTERM", "FROM a\nSTOPSIGNAL SIGTERM"},
		{"FROM a\nHEALTHCHECK --interval=1s §", "CMD NONE", "FROM a\nHEALTHCHECK --interval=1s CMD"},
	} {
		answer, plain := request(t, opt, "textDocument/completion", tc.text, "")
		var list completionList
		if err := json.Unmarshal([]byte(answer), &list); err != nil {
			t.Fatalf("%s: %v", answer, err)
		}
		var labels []string
		for _, i := range list.Items {
			labels = append(labels, i.Label)
		}
		wanted := true
		for _, w := range strings.Fields(tc.want) {
			if w == "without" {
				wanted = false
			} else if slices.Contains(labels, w) != wanted {
				t.Errorf("%q: %q is offered: %v, want %v, in %q", tc.text, w, !wanted, wanted, labels)
			}
		}
		switch {
		case tc.want == "" && len(labels) > 0:
			t.Errorf("%q: %q, want none", tc.text, labels)
		case tc.after != "" && len(labels) > 0:
			e := list.Items[0].TextEdit
			got := edited(t, plain, &workspaceEdit{Changes: map[string][]textEdit{"file:///d/Dockerfile": {e}}})
			if got != tc.after {
				t.Errorf("%q: %q, want %q", tc.text, got, tc.after)
			}
		}
	}
}

// TestCompletionDeclares checks that the choice of an ARG above the first FROM declares it in the
// stage.
func TestCompletionDeclares(t *testing.T) {
	answer, plain := request(t, Options{}, "textDocument/completion", "ARG G=1\nFROM a\nRUN x \\\n  $G§\n", "")
	var list completionList
	if err := json.Unmarshal([]byte(answer), &list); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list.Items, func(i completionItem) bool { return i.Label == "G" })
	if i < 0 {
		t.Fatalf("G is missing in %s", answer)
	}
	edits := append(list.Items[i].Additional, list.Items[i].TextEdit)
	got := edited(t, plain, &workspaceEdit{Changes: map[string][]textEdit{"file:///d/Dockerfile": edits}})
	if want := "ARG G=1\nFROM a\nARG G\nRUN x \\\n  $G\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestKeywordTables checks that the tables have all instructions, and only flags that exist.
func TestKeywordTables(t *testing.T) {
	if n := len(keywords()); n != 18 {
		t.Errorf("%d instructions, want 18", n)
	}
	for _, k := range keywords() {
		for _, f := range flags(k.name) {
			value := ""
			if strings.HasSuffix(f.name, "=") {
				value = "1"
			}
			text := "FROM a\n" + k.name + " --" + f.name + value + " x y\n"
			tree, errs := parser.Parse(source.NewFile("", []byte(text)))
			if tree == nil {
				t.Fatalf("%q: %v", text, errs)
			}
			list := tree.Instructions()
			if _, d := instructions.ParseOne(list[len(list)-1]); d != nil && strings.Contains(d.Message, "unknown flag") {
				t.Errorf("%q: %s", text, d.Message)
			}
		}
	}
}

// TestPrefixes checks that no request about a part of a file panics, and that names are in the file.
func TestPrefixes(t *testing.T) {
	const text = "\ufeffARG V=1\r\nFROM a:${V:-$V} AS b\n# check=skip=x\nARG V\nENV A=\"$V\" B='$A'\n" +
		"COPY --from=b --chown=$A <<E1 <<-\"E2\" /🐳\n$A\nE1\n\t$A\nE2\nONBUILD RUN --mount=type=cache,target=$A echo é$A\n" +
		"RUN <<E\nsh -c \"echo $A\" && for A in $B; do ${!A}; done\nE\nHEALTHCHECK CMD [\"$A\"]\nCMD $A \\\n # x\n  $B\n"
	s := &server{opt: Options{Log: io.Discard}, pull: true, encoding: utf16Encoding, documents: map[string]*document{}}
	for end := range len(text) + 1 {
		var p openParams
		p.TextDocument.URI, p.TextDocument.Text = "u", strings.ToValidUTF8(text[:end], "")
		s.open(t.Context(), p)
		snap := s.documents["u"].snapshot
		x := snap.names(t.Context())
		for _, place := range x.places {
			if got := text[place.start:place.end]; got != place.name && !place.isStage() {
				t.Fatalf("%q: %q at %v", text[:end], got, place)
			}
		}
		for _, offset := range []int{end, end - 1, end / 2} {
			at := positionParams{Position: snap.mapper.position(offset)}
			for _, f := range []func(context.Context, *snapshot, positionParams) (any, error){s.hover, s.definition, s.completion, s.highlight, s.prepareRename} {
				if _, err := f(t.Context(), snap, at); err != nil && !strings.Contains(err.Error(), "computes names") && !strings.Contains(err.Error(), "declare") && !strings.Contains(err.Error(), "number") {
					t.Fatalf("%q: %v", text[:end], err)
				}
			}
		}
		if _, err := s.symbols(t.Context(), snap, documentParams{}); err != nil {
			t.Fatal(err)
		}
	}
}
