package parser

import (
	"encoding/json"
	"testing"

	"slipway/source"
)

// TestNearJSON checks the range and the reason that NearJSON returns for mistakes in
// arguments that look like JSON arrays.
func TestNearJSON(t *testing.T) {
	for _, tc := range []struct{ line, at, reason string }{
		{`CMD ['a']`, `'`, "strings take double quotes, not single quotes"},
		{`RUN [ 'a', "b" ]`, `'`, "strings take double quotes, not single quotes"},
		{`RUN ["a", 'b']`, `'`, "strings take double quotes, not single quotes"},
		{`CMD ["a", "b",]`, ",", "a comma before ] has no string after it"},
		{`CMD ["a", , "b"]`, ",", "a string is missing before the comma"},
		{`CMD ["a" "b"]`, `"`, `a comma is missing before "`},
		{`CMD ["a" é]`, "é", `a comma is missing before é`},
		{`CMD ["a", "b"`, "", "the closing ] is missing"},
		{`CMD ["a",`, "", "the closing ] is missing"},
		{`CMD ["a", "b`, `"b`, `the closing " is missing`},
		{`SHELL ["C:\x"]`, `\x`, `\x is not a JSON escape, write \\ for a backslash`},
		{`SHELL ["C:\é"]`, `\é`, `\é is not a JSON escape, write \\ for a backslash`},
		{`SHELL ["C:\users"]`, `\u`, `\u takes four hexadecimal digits, write \\ for a backslash`},
		{`CMD ["a", $PORT]`, "$PORT", "$PORT is not in double quotes"},
		{`CMD [$APP, "a"]`, "$APP", "$APP is not in double quotes"},
		{`CMD [“a”, "b"]`, "“", `“ is a typographic quotation mark, write "`},
		{`CMD ["a"] # why`, "# why", "nothing may follow the closing ]"},
		{"CMD [\"a\tb\"]", "\t", "a string cannot contain a control character"},
		{"COPY [\\\n 'a', \\\n \"b\"]", "'", "strings take double quotes, not single quotes"},
		{`COPY [ "a" /b`, "/", "a comma is missing before /"},
		{`ADD [a,/b]`, "a", "a is not in double quotes"},
		{`VOLUME ["/a]`, `"/a]`, `the closing " is missing`},
		{`HEALTHCHECK CMD ['a']`, `'`, "strings take double quotes, not single quotes"},
		{`ONBUILD CMD ['a']`, `'`, "strings take double quotes, not single quotes"},

		{`CMD ["a", "\u00e9\n"]`, "", ""},
		{`CMD []`, "", ""},
		{`RUN [ "$a" = "b" ]`, "", ""},
		{`RUN [ -f x ] && echo a, b`, "", ""},
		{`RUN [[ "$a" == "b" ]]`, "", ""},
		{`RUN [[ a,b ]]`, "", ""},
		{`COPY [ab]* /x`, "", ""},
		{`COPY [a-z].txt [bc] /x/`, "", ""},
		{`USER ['a']`, "", ""},
		{`CMD a ['b']`, "", ""},
		{`HEALTHCHECK NONE`, "", ""},
		{`HEALTHCHECK CMD ["a"]`, "", ""},
		{`LABEL a=['b']`, "", ""},
	} {
		f, diags := Parse(source.NewFile("Dockerfile", []byte(tc.line+"\n")))
		if diags.Err() != nil {
			t.Errorf("%s: %v", tc.line, diags)
			continue
		}
		got := f.Instructions()[0].NearJSON()
		switch {
		case got == nil && tc.reason == "":
		case got == nil || got.Reason != tc.reason || got.Range.String() != tc.at:
			t.Errorf("%s: got %+v, want %q: %s", tc.line, got, tc.at, tc.reason)
		}
	}
}

// FuzzJSONMistake checks that jsonMistake rejects the same arrays as encoding/json, which
// BuildKit uses.
func FuzzJSONMistake(f *testing.F) {
	for _, s := range []string{`["a", "b"]`, `[]`, `[ "\u00e9\"" , ""] `, `["a",]`, `["\x"]`, `['a']`, "[\"\x7f\"]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = "[" + s
		var list []any
		ok := json.Unmarshal([]byte(s), &list) == nil
		for _, v := range list {
			_, isString := v.(string)
			ok = ok && isString
		}
		start, end, reason := jsonMistake(s)
		if (reason == "") != ok {
			t.Errorf("%q: reason %q, but encoding/json reads it: %t", s, reason, ok)
		}
		if start < 0 || start > end || end > len(s) {
			t.Errorf("%q: range %d to %d", s, start, end)
		}
	})
}
