package golden

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sample = `# A title
# in two lines
section: 4.5
opts: target=a build-arg:V="two words" empty=
opts: filename=sub/My.Dockerfile
worker: linux/arm64
caps: -mergeop -diffop
differs: warnings: ours: are better
refused: unknown instruction: X
encoding: context/crlf quoted
last-modified: https://example.com/f 2024-01-02T03:04:05Z

-- sub/My.Dockerfile --
FROM alpine
-- context/a --
a
-- context/crlf --
"a\r\n"
3 "b"
-- context.other/x/y --
y
-- images/example.com:5000/a/b:1#linux/arm64.json --
{}
-- http/https://example.com/f --
body
-- out/plan --
plan
`

func TestParse(t *testing.T) {
	c, err := Parse("copy/sample-1", []byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	type view struct {
		Title, Section  string
		Opts            map[string]string
		Worker, Missing []string
		Differs         []Excuse
		Refused         string
		Modified        map[string]string
		Platforms       []string
		Dockerfile      string
		Context         map[string][]byte
	}
	got := view{
		c.Title, c.Section, c.Opts, c.Worker, c.MissingCaps, c.Differs, c.Refused, c.LastModified,
		c.Platforms(), string(c.Dockerfile()), c.Context(),
	}
	want := view{
		Title: "A title in two lines", Section: "4.5",
		Opts:       map[string]string{"target": "a", "build-arg:V": "two words", "empty": "", "filename": "sub/My.Dockerfile"},
		Worker:     []string{"linux/arm64"},
		Missing:    []string{"mergeop", "diffop"},
		Differs:    []Excuse{{"warnings", "ours: are better"}},
		Refused:    "unknown instruction: X",
		Modified:   map[string]string{"https://example.com/f": "2024-01-02T03:04:05Z"},
		Platforms:  []string{"", "linux/amd64", "linux/arm64", "windows/amd64", "linux/amd64,linux/arm64"},
		Dockerfile: "FROM alpine\n",
		Context:    map[string][]byte{"a": []byte("a\n"), "crlf": []byte("a\r\nbbb")},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string][]byte{"sub/My.Dockerfile": []byte("FROM alpine\n")}, c.Tree("")); d != "" {
		t.Error("the local directory dockerfile:", d)
	}
	if tree, ok := c.Local("other"); !ok || string(tree["x/y"]) != "y\n" {
		t.Errorf("Local(other) = %v, %v", tree, ok)
	}
	if _, ok := c.Local("nothing"); ok {
		t.Error("an empty local directory exists")
	}
	if out, ok := c.Out("plan"); !ok || out != "plan\n" {
		t.Errorf("Out(plan) = %q, %v", out, ok)
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct{ name, data, want string }{
		{"nosuch/a", "# t\n", "unknown category"},
		{"copy/A_b", "# t\n", "lower-case"},
		{"copy", "# t\n", "invalid name (want a category"},
		{"copy/a/b/c", "# t\n", "invalid name (want a category"},
		{"copy/a_b/c", "# t\n", "lower-case"},
		{"copy/a", "opts: a=b\n", "no title"},
		{"copy/a", "# t\nsecton: 1\n", "header secton: is unknown"},
		{"copy/a", "# t\nsection\n", "is not of the form key: value"},
		{"copy/a", "# t\nopts: a=1 a=2\n", "set twice"},
		{"copy/a", "# t\nopts: word\n", "is not of the form key=value"},
		{"copy/a", "# t\nopts: a=\"x\"y\n", "follows a quoted value"},
		{"copy/a", "# t\ncaps: mergeop\n", "does not start with -"},
		{"copy/a", "# t\ndiffers: operations\n", "is not of the form kind: why"},
		{"copy/a", "# t\nencoding: Dockerfile base64\n", "unknown encoding"},
		{"copy/a", "# t\nencoding: Dockerfile quoted\n", "does not contain this file"},
		{"copy/a", "# t\nencoding: Dockerfile quoted\n-- Dockerfile --\nFROM\n", "not a Go string literal"},
		{"copy/a", "# t\nencoding: Dockerfile quoted\n-- Dockerfile --\nx \"a\"\n", "invalid repeat count"},
		{"copy/a", "# t\n-- a --\n-- a --\n", "a: appears twice"},
		{"copy/a", "# t\n-- out/llb --\n-- out/llb --\n", "out/llb: appears twice"},
		{"copy/a", "# t\n-- out/a --\n", "out/a: no package owns this section"},
		{"copy/a", "# t\n-- ../a --\n-- a/../b --\n", "is not a clean path"},
		{"copy/a", "# t\nlast-modified: u now\n", "cannot parse"},
	}
	for _, tt := range tests {
		_, err := Parse(tt.name, []byte(tt.data))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Parse(%q, %q) = %v, want …%s…", tt.name, tt.data, err, tt.want)
		}
	}
}

func TestPlatforms(t *testing.T) {
	c, err := Parse("copy/a", []byte("# t\nopts: platform=linux/arm/v7,linux/amd64\n"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"", "linux/amd64", "linux/arm64", "windows/amd64", "linux/amd64,linux/arm64", "linux/arm/v7,linux/amd64"}, c.Platforms()); d != "" {
		t.Error(d)
	}
	c, err = Parse("copy/a", []byte("# t\nplatforms: linux/s390x none\n"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"linux/s390x", ""}, c.Platforms()); d != "" {
		t.Error(d)
	}
}

// TestCorpus checks that every case in testdata is well-formed, has a unique title and
// contains a recorded result.
func TestCorpus(t *testing.T) {
	titles := map[string]string{}
	for _, c := range Cases(t) {
		if other, ok := titles[c.Title]; ok {
			t.Errorf("%s has the same title as %s", c.Name, other)
		}
		titles[c.Title] = c.Name
		if c.Section == "" {
			t.Errorf("%s has no section", c.Name)
		}
		if _, err := c.Images(); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		if c.out["plan"] == "" && c.out["error"] == "" && c.out["answer"] == "" {
			t.Errorf("%s records no result: none of out/plan, out/error and out/answer", c.Name)
		}
	}
}
