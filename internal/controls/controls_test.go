package controls

import (
	"regexp"
	"strings"
	"testing"
)

// TestFilter checks the filtered form of many texts. It also checks that filtering a text byte
// by byte has the same result, except for color resets after each byte.
func TestFilter(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttext\r\nnext\n":                   "plain\ttext\r\nnext\n",
		"größe 漢字 👍":                              "größe 漢字 👍",
		"latin1 \xe9!":                            "latin1 \xe9!",
		"a\x00\x07\b\v\f\x0e\x0f\x05\x7fb":        "ab",
		"\x1b[31mred\x1b[0m plain":                "\x1b[31mred\x1b[0m plain",
		"\x1b[31mred\x1b[m plain":                 "\x1b[31mred\x1b[0m plain",
		"\x1b[1m\x1b[38;2;1;2;3mtext":             "\x1b[1m\x1b[38;2;1;2;3mtext\x1b[0m",
		"\x1b[4:3mcurly":                          "\x1b[4:3mcurly\x1b[0m",
		"\x1b[31mtwo\nlines\n":                    "\x1b[31mtwo\x1b[0m\n\x1b[31mlines\x1b[0m\n",
		"\x1b[31m\n\n\x1b[0m":                     "\n\n",
		"50%\r\x1b[K100%\x1b[2K":                  "50%\r\x1b[K100%\x1b[2K",
		"\x1b[2J\x1b[H\x1b[10;20Hx":               "x",
		"\x1b[?25l\x1b[?1049hx":                   "x",
		"\x1b[>4;1mx\x1b[ 1mx\x1b[1$mx":           "xxx",
		"\x1b[6n\x1b[c\x1b[5ix":                   "x",
		"\x1b]0;title\ax":                         "x",
		"\x1b]52;c;ZXZpbA==\x1b\\x":               "x",
		"\x1b]8;;http://a\x1b\\b\x1b]8;;\ac":      "bc",
		"\x1bPq#0;2;0\x1b\\x":                     "x",
		"\x1b_a\x1b\\\x1b^b\x1b\\\x1bXc\x1b\\x":   "x",
		"\x1bc\x1b7\x1b(0\x1b#8\x1bMx":            "x",
		"\x1b]never ends\nx":                      "\nx",
		"\x1b]2;a\x18x\x1b]2;a\x1ax":              "xx",
		"\x1b[1\n2Jx":                             "\n2Jx",
		"\x1b\nc\x1b[é":                           "\ncé",
		"\x1b\x1b[2Jx\x1b[\x1b[2Jx":               "xx",
		"\u009b2Jx\u009d0;t\ax\u0085":             "\uFFFD2Jx\uFFFD0;tx\uFFFD",
		"\x9b2Jx\x84":                             "\uFFFD2Jx\uFFFD",
		"\x1b[" + strings.Repeat("1;", 40) + "mx": "x",
		strings.Repeat("\x1b[31m", 52) + "x":      "\x1b[31mx\x1b[0m",
		"x\x1b[31mx\x1b[32mx":                     "x\x1b[31mx\x1b[32mx\x1b[0m",
		"":                                        "",
	} {
		var f Filter
		if got := string(f.Filter([]byte(in))); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
		var bytewise Filter
		var got []byte
		for i := range len(in) {
			got = append(got, bytewise.Filter([]byte(in[i:i+1]))...)
		}
		if got, want := withoutColors(string(got)), withoutColors(want); got != want {
			t.Errorf("%q byte by byte: got %q, want %q", in, got, want)
		}
	}
}

// withoutColors removes color sequences from s.
func withoutColors(s string) string {
	return regexp.MustCompile(`\x1b\[[0-9;:]*m`).ReplaceAllString(s, "")
}

// FuzzFilter checks that the filter passes only color and erase-in-line sequences. It also
// checks that no color remains set at the end of a line or after a call of Filter.
func FuzzFilter(f *testing.F) {
	f.Add([]byte("a\x1b[31mb\n"), []byte("\x1b]0;c\x07\xe6\xbc\x9b"))
	passes := regexp.MustCompile(`^(?:[^\x00-\x08\x0b-\x0c\x0e-\x1f\x7f]|\x1b\[[0-9;:]*[mK])*$`)
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var filter Filter
		for _, part := range [][]byte{first, second} {
			out := string(filter.Filter(part))
			if !passes.MatchString(out) {
				t.Fatalf("%q, %q: %q passes", first, second, out)
			}
			for i, r := range out {
				if c := out[i]; r >= 0x80 && r < 0xa0 || r == '\uFFFD' && c >= 0x80 && c < 0xa0 {
					t.Fatalf("%q, %q: a C1 control passes: %q", first, second, out)
				}
			}
			for line := range strings.SplitSeq(out, "\n") {
				if i := strings.LastIndex(line, "\x1b["); i >= 0 && strings.Contains(line, "m") && withoutColors(line) != line && !strings.Contains(line, reset) {
					t.Fatalf("%q, %q: the line %q ends in colors", first, second, line)
				}
			}
		}
	})
}
