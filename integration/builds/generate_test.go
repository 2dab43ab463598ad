package builds

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"slipway/integration/buildcase"
)

// TestGenerate checks that cases are reproducible, unique, and valid for package buildcase.
func TestGenerate(t *testing.T) {
	seen := map[string]int{}
	for n := range 200 {
		text := Generate(7, n).Text()
		if again := Generate(7, n).Text(); !bytes.Equal(text, again) {
			t.Fatalf("build %d differs from itself:\n%s\n%s", n, text, again)
		}
		c, err := buildcase.Parse(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		l, err := c.Lay(t.TempDir())
		for more := true; more && err == nil; {
			more, err = l.Next()
		}
		if err != nil {
			t.Errorf("%v\n%s", err, text)
		}
		for _, word := range []string{"--parents", "--link", "--exclude", "--from=", "--mount=type=cache", "--mount=type=secret", "hard: ", "again: mode", "again: time", "attr: target"} {
			if bytes.Contains(text, []byte(word)) {
				seen[word]++
			}
		}
	}
	for word, n := range seen {
		if n == 0 {
			t.Errorf("no build has %s", word)
		}
	}
}

// TestShrink checks that Shrink reduces a case to a minimum. In this test, a case fails if it
// contains a particular word.
func TestShrink(t *testing.T) {
	for n := range 20 {
		c := Generate(3, n)
		last := c.Stages[len(c.Stages)-1]
		last.Instructions = append(last.Instructions, &Instruction{Word: "RUN", Args: []Arg{{Text: "first"}, {Text: "wanted"}, {Text: "last"}}, Sep: "; ", Flags: []string{"--network=none"}})
		Shrink(c, 10_000, func(c *Case) bool { return bytes.Contains(c.Text(), []byte("wanted")) })
		var lines []string
		for line := range strings.Lines(string(c.Text())) {
			lines = append(lines, strings.TrimSpace(line))
		}
		if len(lines) > 7 || !slices.Contains(lines, "RUN wanted") {
			t.Errorf("build %d is not small:\n%s", n, c.Text())
		}
	}
}

// TestExcuses checks that every excuse for a difference states a reason.
func TestExcuses(t *testing.T) {
	for _, e := range excuses() {
		if e.name == "" || e.reason == "" || e.in == nil && e.line == nil {
			t.Errorf("excuse %q: %q, %v, %v", e.name, e.reason, e.in, e.line)
		}
	}
	const alone = "build 1:\n-error at [\"COPY a /\"]: failed to stat /a/b: lstat /a/b: not a directory\n"
	if got := Unexcused([]byte("COPY --parents a /\n"), alone); got != "" {
		t.Errorf("an excused difference is %q", got)
	}
	if got := Unexcused(nil, alone); got != alone {
		t.Errorf("the difference of another case is %q", got)
	}
	const pair = "-layer 2: dir      0755 0:0        0 w new\n+layer 2: dir      0755 0:0        0 w 2024-01-01T00:00:00Z\n"
	text := []byte("FROM busybox AS s\nRUN true\nFROM busybox\nCOPY --from=s /etc /w/\n")
	if got := Unexcused(text, pair); got != "" {
		t.Errorf("an excused pair of lines is %q", got)
	}
	for _, other := range []string{pair[:strings.Index(pair, "+")], strings.Replace(pair, "0755", "0700", 1)} {
		if got := Unexcused(text, other); got != other {
			t.Errorf("lines that do not match as a pair are %q, want %q", got, other)
		}
	}
	const devices = "-layer 2: char     0644 0:0        0 etc/c dev 7:0 new\n+layer 2: block    0644 0:0        0 etc/c dev 7:0 new\n"
	if got := Unexcused([]byte("RUN mknod /etc/c b 7 0\n"), devices); got != "" {
		t.Errorf("an excused device is %q", got)
	}
	const excluded = "+layer 1: file     0644 0:0        2 w/f sha256:3bb2abb69ebb27fb new\n-ran: []\n+ran: [\"RUN true\"]\n"
	if got := Unexcused([]byte("COPY --exclude=** * /w/\n"), excluded); got != "" {
		t.Errorf("an excused copy of excluded files is %q", got)
	}
	if got := Unexcused([]byte("COPY --exclude=*.md * /w/\n"), excluded); got != excluded {
		t.Errorf("a copy of files that are not excluded is %q, want %q", got, excluded)
	}
	const other = "build 1:\n-layer 2: dir      0755 0:0        0 dev/x new\n"
	if got := Unexcused(nil, other); got != other {
		t.Errorf("a difference without an excuse is %q", got)
	}
}
