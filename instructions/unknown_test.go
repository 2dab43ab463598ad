package instructions

import (
	"strings"
	"testing"
)

// TestUnknownHints checks the hint of the first error in a file with an unknown keyword,
// and the source position at which the hint's note points.
func TestUnknownHints(t *testing.T) {
	for _, tc := range []struct{ text, hint, note string }{
		{"FROM x\nRUN a\n&& b\n", `line 2 has no \ at its end, so it is not continued`, ""},
		{"FROM x\nRUN a \\\n  b &&\n  cd /x\n", `line 3 has no \ at its end, so it is not continued`, ""},
		{"FROM x\nRUN a\n  touch x\n", `line 2 has no \ at its end, so it is not continued`, ""},
		{"FROM x\nRUN a\ntouch x\n", `line 2 has no \ at its end, so it is not continued`, ""},
		{"FROM x\nENV A=1\n  B=2\n", `line 2 has no \ at its end, so it is not continued`, ""},
		{"FROM x\nENV A=1\nB=2\n", `line 2 has no \ at its end, so it is not continued`, ""},
		{"FROM x\nRUN a &&\nTOUCH x\n", `line 2 has no \ at its end, so it is not continued`, ""},
		{"# escape=`\nFROM x\nRUN a\n && b\n", "line 3 has no ` at its end, so it is not continued", ""},
		{"FROM x\nRUN a\n\n# c\n && b\n", `line 2 has no \ at its end, so it is not continued`, ""},
		{"FROM x\nRUN a \\ # c\n  touch x\n", `the \ in line 2 is not at the end of the line: a comment follows it`, `\ # c`},
		{"FROM x\nRUN a \\\\\n  touch x\n", `line 2 ends with \\, which does not continue it`, `\\`},
		{"# escape=`\nFROM x\nRUN a \\\n  touch x\n", "line 3 ends with \\, but the escape character of this file is `", `\`},
		{"FROM x\nRUN a `\n  touch x\n", "line 2 ends with `, but the escape character of this file is \\", "`"},
		{"FROM x\n  # RUN a && \\\n    b\n", `line 2 is a comment, whose \ does not continue it`, `# RUN a && \`},
		{"# RUN a && \\\n    b\n", `line 1 is a comment, whose \ does not continue it`, `# RUN a && \`},
		{"FROM x\nCMD <<EOT\necho hi\nEOT\n", "CMD does not support heredocs, only RUN, COPY and ADD do", "<<EOT"},
		{"FROM x\nENTRYPOINT [\"a\"] <<-'E'\ncd /x\n\tE\n", "ENTRYPOINT does not support heredocs, only RUN, COPY and ADD do", "<<-'E'"},
		{"\xff\xfeF\x00R\x00O\x00M\x00 \x00x\x00\n\x00", "the file is UTF-16, save it as UTF-8", ""},
		{"F\x00R\x00O\x00M\x00 \x00x\x00\n\x00", "the file is UTF-16, save it as UTF-8", ""},

		{"FROM x\nCOPPY a b\n", "", ""},
		{"FROM x\nRUN a\nCOPPY a b\n", "", ""},
		{"FROM x\nRUN a\nTOUCH b\n", "", ""},
		{"touch b\n", "", ""},
		{"FROM x\nRUN <<E\na\nE\ntouch b\n", "", ""},
	} {
		_, list := parse(t, tc.text)
		if len(list) == 0 {
			t.Errorf("%q: no error", tc.text)
			continue
		}
		note := ""
		if len(list[0].Related) > 0 {
			note = list[0].Related[0].Range.String()
		}
		if d := list[0]; d.Hint != tc.hint || note != tc.note {
			t.Errorf("%q: hint %q, note %q, want %q, %q", tc.text, d.Hint, note, tc.hint, tc.note)
		}
		if strings.Contains(tc.hint, "does not go on") && len(list[0].Related) != 1 {
			t.Errorf("%q: %d notes, want one at the end of the line above", tc.text, len(list[0].Related))
		}
	}
}

// TestUnknownOnce checks that an error about an unknown keyword suppresses errors about
// further lines with the same cause.
func TestUnknownOnce(t *testing.T) {
	for text, want := range map[string]int{
		"FROM x\nCMD <<E\necho hi\ncd /x\nE\nCOPPY a b\n":     2,
		"FROM x\nRUN a\n  && b\n  && c\nRUN --x y\n":          2,
		"FROM x\nCOPPY a b\nRUUN x\nWRKDIR /x\n":              3,
		"FROM x\nCMD <<E\necho hi\nRUN a\nRUN --x y\ncd /x\n": 3,
	} {
		if _, list := parse(t, text); len(list) != want {
			t.Errorf("%q: %d errors, want %d: %v", text, len(list), want, list)
		}
	}
}

// TestMaxErrors checks that only the first 100 errors in a file are reported.
func TestMaxErrors(t *testing.T) {
	for lines, want := range map[int]int{99: 99, 100: 100, 500: 100} {
		if _, list := parse(t, "FROM x\n"+strings.Repeat("RUN --x y\n", lines)); len(list) != want {
			t.Errorf("%d faults: %d errors, want %d", lines, len(list), want)
		}
	}
}
