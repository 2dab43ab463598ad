package lsp

import (
	"encoding/json"
	"fmt"
	"testing"
)

// TestOnTypeFormatting checks the indentation of a line that the user has started.
func TestOnTypeFormatting(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"FROM a\nRUN b \\\n§", `"    "`},
		{"FROM a\nRUN b \\ \n  §", `"    "`},
		{"FROM a\r\nRUN b \\\r\n\tc \\\r\n§d\r\n", `"\t"`},
		{"# escape=`\nFROM a\nRUN b `\n§", `"    "`},
		{"FROM a\nRUN b \\\n    §", ""},
		{"FROM a\nRUN b\n§", ""},
		{"FROM a\n# b \\\n§", ""},
		{"FROM a\nRUN <<E\nb \\\n§\nE\n", ""},
		{"§", ""},
		{"FROM a\nCOPPY \\\n§\n", `"    "`},
	} {
		answer, _ := request(t, Options{}, "textDocument/onTypeFormatting", tc.text, `,"ch":"\n","options":{"tabSize":4,"insertSpaces":true}`)
		var edits []textEdit
		if err := json.Unmarshal([]byte(answer), &edits); err != nil {
			t.Fatal(answer)
		}
		got := ""
		for _, e := range edits {
			got += fmt.Sprintf("%q", e.NewText)
		}
		if got != tc.want {
			t.Errorf("%q: %s, want %s", tc.text, got, tc.want)
		}
	}
}

// TestLinkedEditing checks the two places of the name of a heredoc.
func TestLinkedEditing(t *testing.T) {
	const both = `{"ranges":[{"start":{"line":1,"character":9},"end":{"line":1,"character":12}},{"start":{"line":3,"character":0},"end":{"line":3,"character":3}}]}`
	for _, tc := range []struct{ text, want string }{
		{"FROM a\nRUN 🐳 <<E§OF b\nc\nEOF\n", both},
		{"FROM a\nRUN 🐳 <<EOF b\nc\nEO§F\n", both},
		{"FROM a\nRUN 🐳 <<EOF b§\nc\nEOF\n", "null"},
		{"FROM a\nCOPY <<-'E§OF' /b\n\tc\n\tEOF\n", `{"ranges":[{"start":{"line":1,"character":9},"end":{"line":1,"character":12}},{"start":{"line":3,"character":1},"end":{"line":3,"character":4}}]}`},
		{"FROM a\nRUN <<E§OF\n", "null"},
	} {
		if answer, _ := request(t, Options{}, "textDocument/linkedEditingRange", tc.text, ""); answer != tc.want {
			t.Errorf("%q: %s, want %s", tc.text, answer, tc.want)
		}
	}
}
