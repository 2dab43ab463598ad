package plan

import (
	"errors"
	"strings"
	"testing"

	"slipway/diag"
)

// TestHints checks that planning errors have the expected hints, and that the note of a
// hint points at the expected source text.
func TestHints(t *testing.T) {
	const chmod = "--chmod takes an octal mode, such as 0755, or a symbolic one, such as u=rwX,go=rX"
	for _, tc := range []struct{ text, hint, note string }{
		{"FROM x AS a\nARG TAG=1\nFROM x:$TAG\n", "ARG TAG in line 2 belongs to a stage, FROM sees only those above the first FROM", "TAG=1"},
		{"FROM x AS a\nARG A TAG=1\nFROM $TAG\n", "ARG TAG in line 2 belongs to a stage, FROM sees only those above the first FROM", "TAG=1"},
		{"FROM x AS a\nARG P=linux/arm64\nFROM --platform=$P x\n", "ARG P in line 2 belongs to a stage, FROM sees only those above the first FROM", "P=linux/arm64"},
		{"FROM x AS a\nARG P=arm64\nFROM --platform=linux/$P/a/b x\n", "ARG P in line 2 belongs to a stage, FROM sees only those above the first FROM", "P=arm64"},
		{"ARG TAG\nFROM x:$TAG\n", "ARG TAG in line 1 has no value, set one with --build-arg TAG=VALUE", "TAG"},
		{"FROM x:$TAG\n", "no ARG above the first FROM declares TAG", ""},
		{"FROM nosuch$TAG\n", "no ARG above the first FROM declares TAG", ""},
		{"FROM x: AS b\n", "", ""},
		{"FROM nosuch\nFROM x AS nosuch\nFROM nosuch\n", "", ""},
		{"FROM nosuch AS a\nFROM x AS nosuch\nCOPY --from=a b c\n", "stage nosuch in line 2 is below, FROM sees only stages above it", "nosuch"},
		{"FROM x AS nosuch\nFROM NOSUCH\n", "stages have names in lower case, write FROM nosuch", "nosuch"},
		{"FROM x AS a\nFROM x AS b\nCOPY --from=nosuch y /\n", "no stage and no build context has the name nosuch; stages: a, b; build contexts: ctx", ""},
		{"FROM x\nRUN --mount=from=nosuch,target=/y z\n", "no stage and no build context has the name nosuch; stages: none; build contexts: ctx", ""},
		{"FROM x\nCOPY --from=reg/nosuch y /\n", "", ""},
		{"FROM x\nCOPY --from=2 y /\n", "stages have the numbers 0 to 0", ""},
		{"FROM x\nCOPY --from=b y /\nFROM x AS b\nFROM stage-0\n", "", ""},
		{"FROM x AS a\nCOPY --from=b y /\nFROM x AS b\nFROM a\n", "the stage is in line 3", "b"},
		{"FROM x AS a\nRUN --mount=from=b,target=/z y\nFROM x AS b\nFROM a\n", "the stage is in line 3", "b"},
		{"FROM x AS a\nCOPY --from=1 y /\nFROM x\nFROM a\n", "the stage is in line 3", "x"},
		{"FROM scratch\nRUN --mount=type=cache target=/x y\n", "the fields of a mount are joined by commas without spaces, write --mount=type=cache,target=/x", "target=/x"},
		{"FROM x\nRUN --mount=type=cache, target=/x y\n", "the fields of a mount are joined by commas without spaces, write --mount=type=cache,target=/x", "target=/x"},
		{"FROM x\nRUN --mount=type=cache true\n", "", ""},
		{"FROM x\nCOPY --chmod=rwx a b\n", chmod, ""},
		{"FROM x\nRUN --mount=type=cache,target =/x y\n", "the fields of a mount are joined by commas without spaces, write --mount=type=cache,target=/x", "=/x"},
		{"FROM x\nCOPY \"my file.txt\" /\n", `quotes do not join words, write the instruction as a JSON array: ["my file.txt", …]`, ""},
		{"FROM x\nCOPY a 'my own file' /\n", `quotes do not join words, write the instruction as a JSON array: ["my own file", …]`, ""},
		{"FROM x\nCOPY \"my a /\n", "", ""},
		{`FROM x` + "\n" + `COPY ["\"my", "b\"", "/"]` + "\n", "", ""},
		{"FROM x\nCOPY git@github.com:a/b.git /\n", "ADD fetches repositories", ""},
		{"FROM x\nCOPY https://x/y /\n", "ADD downloads files", ""},
		{"FROM x\nCOPY --chmod=99999 a b\n", chmod, ""},
		{"FROM x\nCOPY --chmod=17777 a b\n", chmod, ""},
	} {
		_, err := build(tc.text, Options{Contexts: []string{"ctx"}})
		var d *diag.Diagnostic
		if !errors.As(err, &d) {
			if tc.hint != "" {
				t.Errorf("%q: error %v", tc.text, err)
			}
			continue
		}
		note := ""
		if len(d.Related) > 0 {
			note = d.Related[0].Range.String()
		}
		if d.Hint != tc.hint || note != tc.note {
			t.Errorf("%q: %s: hint %q, note %q, want %q, %q", tc.text, d.Message, d.Hint, note, tc.hint, tc.note)
		}
	}
}

// TestJoinNames checks that joinNames lists at most ten names, so that hints remain
// short.
func TestJoinNames(t *testing.T) {
	for n, want := range map[int]string{0: "none", 1: "a", 10: "a" + strings.Repeat(", a", 9), 11: "a" + strings.Repeat(", a", 9) + ", …"} {
		names := make([]string, n)
		for i := range names {
			names[i] = "a"
		}
		if got := joinNames(names); got != want {
			t.Errorf("%d names: %q, want %q", n, got, want)
		}
	}
}
