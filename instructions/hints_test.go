package instructions

import "testing"

// TestHints checks the hint and the range of the error that the second line of a file
// causes.
func TestHints(t *testing.T) {
	const typed = "the value of a flag follows =, write "
	for _, tc := range []struct{ line, hint, at string }{
		{`SHELL ['a']`, "not a JSON array: strings take double quotes, not single quotes", "'"},
		{`SHELL ["C:\x"]`, `not a JSON array: \x is not a JSON escape, write \\ for a backslash`, `\x`},
		{"SHELL /bin/bash -c", `an array of strings, such as SHELL ["/bin/bash", "-c"]`, "/bin/bash -c"},
		{"COPY ['a',]", "not a JSON array: strings take double quotes, not single quotes", "'"},
		{"FROM --platform linux/arm64 x", typed + "--platform=linux/arm64", "--platform linux/arm64"},
		{"FROM --platform linux/arm64", typed + "--platform=linux/arm64", "--platform linux/arm64"},
		{"FROM --platform linux/arm64 x AS y", typed + "--platform=linux/arm64", "--platform linux/arm64"},
		{"COPY --chown app a /b", typed + "--chown=app", "--chown app"},
		{"COPY --chown --link a /b", "", "--chown"},
		{"FROM x y", "a stage is named with AS, write FROM x AS y", "x y"},
		{"FROM x AS", "the name after AS is missing", "x AS"},
		{"FROM x # a comment", "comments must be on a separate line", "# a comment"},
		{"FROM x IS y", "", "x IS y"},
		{"FROM", "", "FROM"},
		{"RUN --mount= a", "a mount has fields, such as --mount=type=cache,target=/path", "--mount="},
		{"RUN --mount=from=$a target=/x y", "the fields of a mount are joined by commas without spaces, write --mount=from=$a,target=/x", "$a"},
		{"RUN --mount=from=$a a=/x y", "", "$a"},
		{"RUN --mount=from=$a --mount=type=tmpfs target=/x y", "", "$a"},
		{"RUN --network=hots a", "want default, none or host", "hots"},
		{"RUN --security=x a", "want sandbox or insecure", "x"},
		{`HEALTHCHECK ["a"]`, "CMD is missing before the command", `["a"]`},
		{"HEALTHCHECK curl x", "CMD is missing before the command", "curl"},
		{"HEALTHCHECK CDM x", "", "CDM"},
		{"HEALTHCHECK --retries=a CMD b", "--retries takes a whole number, such as 3", "a"},
		{"HEALTHCHECK --start-period=5 CMD b", "--start-period takes a number with a unit, such as 30s or 1m30s", "5"},
		{"ONBUILD HEALTHCHECK", "", ""},
	} {
		_, list := parse(t, "FROM scratch\n"+tc.line+"\n")
		if len(list) == 0 {
			if tc.at != "" || tc.hint != "" {
				t.Errorf("%s: no error", tc.line)
			}
			continue
		}
		if d := list[0]; d.Hint != tc.hint || d.Range.String() != tc.at {
			t.Errorf("%s: %s: hint %q under %q, want %q under %q", tc.line, d.Message, d.Hint, d.Range, tc.hint, tc.at)
		}
	}
	_, list := parse(t, "ENV a=b\nFROM x\n")
	if len(list) != 1 || list[0].Hint != "only ARG may come before the first FROM" {
		t.Errorf("ENV before FROM: %v", list)
	}
}
