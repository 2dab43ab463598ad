package dialect

import (
	"errors"
	"strings"
	"testing"

	"slipway/parser"
	"slipway/source"
)

// TestConditions checks the results of conditions, in which the words are their own values.
func TestConditions(t *testing.T) {
	for text, want := range map[string]bool{
		"a": true, "0": false, "no": false, "OFF": false, "False": false, "''": true,
		"a==a": true, "a == b": false, "a != b": true, "a!=a": false, "!a": false, "!!a": true, "!0": true,
		"a && 0": false, "a || 0": true, "0 || 0 && a": false, "(0 || a) && b": true, "!(a && b)": false,
		"a in (b, a)": true, "a in (b)": false, "in in (in)": true, "!a in (a)": false,
		"a==b || c != d && e in (e,f)": true,
	} {
		c, err := ParseCondition(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got, err := c.Eval(func(w ConditionWord) (string, error) {
			if w.Text != text[w.Start:w.End] {
				t.Errorf("%q: the word %q is not at %d", text, w.Text, w.Start)
			}
			return w.Text, nil
		})
		if err != nil || got != want {
			t.Errorf("%q is %t, %v, want %t", text, got, err, want)
		}
	}
}

// TestConditionDepth checks that deep nesting is an error and not a stack overflow.
func TestConditionDepth(t *testing.T) {
	for _, part := range []string{"(", "!"} {
		_, err := ParseCondition(strings.Repeat(part, 100000) + "a")
		if err == nil || !strings.Contains(err.Error(), "nested") {
			t.Errorf("%s: %v", part, err)
		}
	}
}

// TestOptional checks the patterns for --if-exists.
func TestOptional(t *testing.T) {
	for path, want := range map[string]string{
		"LICENSE": "[L]ICENSE", "a/b": "[a]/b", "/a/b": "/[a]/b", "./a": "./[a]", "^x": `[\^]x`, "-": `[\-]`, "]": `[\]]`,
		".": ".", "/": "/", "..": "..", "": "", "a*": "a*", "a/b*": "[a]/b*", "[ab]": "[ab]", `fo\[o`: `[f]o\[o`, `\[x`: `\[[x]`,
		`\*`: `[\*]`, ".npmrc": "[.]npmrc", "é/x": "[é]/x", "dir/": "[d]ir/",
	} {
		if got := Optional(path); got != want {
			t.Errorf("Optional(%q) = %q, want %q", path, got, want)
		}
	}
}

// TestLookup checks tables and presets of architectures.
func TestLookup(t *testing.T) {
	for _, tc := range [][3]string{
		{"amd64", "uname", "x86_64"},
		{"linux/amd64", "uname", "x86_64"},
		{"linux/arm/v6", "uname", "armv6l"},
		{"arm", "uname", "armv7l"},
		{"linux/arm64/v8", "deb", "arm64"},
		{"arm/v7", "deb", "armhf"},
		{"386", "gnu", "i386-linux-gnu"},
		{"b", "a=1,b=2", "2"},
		{"c", "a=1,*=3", "3"},
		{"", "=x", "x"},
		{"a", "a=b=c", "b=c"},
	} {
		if got, err := Lookup(tc[0], tc[1]); err != nil || got != tc[2] {
			t.Errorf("Lookup(%q, %q) = %q, %v, want %q", tc[0], tc[1], got, err, tc[2])
		}
	}
	for table, want := range map[string]string{"unam": "did you mean uname?", "x=1": "no entry for a", "x=1,y": `the entry "y" has no =`} {
		if _, err := Lookup("a", table); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", table, err, want)
		}
	}
}

// TestMatch checks the wildcards of UNSET.
func TestMatch(t *testing.T) {
	for _, tc := range []struct {
		pattern, name string
		want          bool
	}{
		{"a", "a", true},
		{"a", "ab", false},
		{"*", "", true},
		{"a*c", "abbc", true},
		{"a*c", "ab", false},
		{"?", "é", true},
		{"?", "", false},
		{"*a*", "bab", true},
		{"a?c*", "abcd", true},
		{"**", "x", true},
	} {
		if got := Match(tc.pattern, tc.name); got != tc.want {
			t.Errorf("Match(%q, %q) = %t", tc.pattern, tc.name, got)
		}
	}
}

// TestVariables checks files of variables.
func TestVariables(t *testing.T) {
	list, d := ParseVariables(source.NewFile("f", []byte("# c\nA=1\n export B = x\nexport C='a \"b\"'\nD=\"x\\n\\\"\\\\y\"\nE=\n")))
	if d == nil {
		t.Fatalf("%v: the name %q is valid", list, "B ")
	}
	list, d = ParseVariables(source.NewFile("f", []byte("# c\nA=1 # no comment\nexport C='a \"b\"'\r\nD=\"x\\n\\\"\\\\y\"\n\nE=\n")))
	if d != nil {
		t.Fatal(d)
	}
	want := []Variable{{"A", "1 # no comment"}, {"C", `a "b"`}, {"D", "x\n\"\\y"}, {"E", ""}}
	if len(list) != len(want) {
		t.Fatalf("got %q, want %q", list, want)
	}
	for i := range want {
		if list[i] != want[i] {
			t.Errorf("got %q, want %q", list[i], want[i])
		}
	}
	for content, want := range map[string]string{"A": "f:1: expected NAME=VALUE", "\n1=x": "f:2:", "A='x": "quote", "A=\"x\"y": "quote", "A=\x00": "not text", "A=\xff": "not text"} {
		if _, d := ParseVariables(source.NewFile("f", []byte(content))); d == nil || !strings.Contains(d.Message, want) {
			t.Errorf("%q: %v, want %q", content, d, want)
		}
	}
}

// TestFeatures checks that the table of features names no instruction for which
// docker/dockerfile ignores unknown flags, and has no duplicates.
func TestFeatures(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Features() {
		switch f.Keyword {
		case "arg", "stopsignal", "onbuild", "maintainer", "from":
			t.Errorf("%s must not be extended", f)
		}
		if seen[f.String()] {
			t.Errorf("%s appears twice", f)
		}
		seen[f.String()] = true
	}
}

// FuzzCondition checks that parsing terminates, that the words of a condition are parts of its
// text, and that evaluation does not panic.
func FuzzCondition(f *testing.F) {
	for _, s := range []string{"$A == 'x'", "!(a || b) && c in (d, e)", "${A:-x y}==z", "a = b", "((", "\"", "a!", "\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCondition(text)
		if err != nil {
			var e *ConditionError
			if !errors.As(err, &e) || e.Start < 0 || e.End < e.Start || e.End > len(text) {
				t.Fatalf("%q: error %v at an invalid range", text, err)
			}
			return
		}
		for _, w := range c.Words() {
			if w.Text != text[w.Start:w.End] || w.Text == "" {
				t.Fatalf("%q: word %q at [%d, %d)", text, w.Text, w.Start, w.End)
			}
		}
		if _, err := c.Eval(func(w ConditionWord) (string, error) { return w.Text, nil }); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzGate checks that a gate is found only directly after the parser directives, and that
// errors have ranges in the file.
func FuzzGate(f *testing.F) {
	for _, s := range []string{
		"# slipway=1.0\nFROM a\n", "# syntax=x\n# escape=`\n#slipway = 1 strict\nFROM a\n", "\ufeff# slipway=1.0 x\nFROM a\n",
		"#!/x\n# slipway=9\nFROM a\n", "# slipway=1.0\n# slipway=1.0\nFROM a\n", "\n# slipway=1.0\nFROM a\n", "# slipway=1.0 strict strict\r\nFROM a",
		"\ufeff#slipway=1\r\n\r\nFROM a\r\n", "# slipway=1.0 strict=pipefail network=none\n# escape=`\nFROM a\n",
		"#!/x\n# syntax=x\n# escape=`\n# check=skip=all\n#\tslipway\t=\t1.0 lock require=a\nFROM a\n", "# check=error=true\n# slipway=2\nFROM a `\n\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, content string) {
		file, _ := parser.Parse(source.NewFile("Dockerfile", []byte(content)))
		if file == nil {
			return
		}
		g, d := Parse(file)
		switch {
		case d != nil:
			if d.Range.File != file.Source || d.Message == "" {
				t.Fatalf("%q: error %q has no range", content, d.Message)
			}
		case g != nil:
			line, _ := g.Range.Lines()
			if name, ok := directiveName(g.Range); !ok || name != "slipway" || line > maxDirectives+1 {
				t.Fatalf("%q: gate %q in line %d", content, g.Range, line)
			}
			checkWithoutGate(t, file, g)
			for _, n := range file.Nodes {
				if in, ok := n.(*parser.Instruction); ok && in.Rng.Start <= g.Range.Start && g.Range.Start < in.Rng.End {
					t.Fatalf("%q: the gate is inside an instruction", content)
				}
			}
		}
	})
}

// checkWithoutGate checks that the parser directives and the instructions of a file are the same
// without the line of the gate.
func checkWithoutGate(t *testing.T, file *parser.File, g *Gate) {
	t.Helper()
	line, _ := g.Range.Lines()
	r := file.Source.LineRange(line, line)
	bom := ""
	if line == 1 && strings.HasPrefix(r.String(), "\uFEFF") {
		bom = "\uFEFF"
	}
	content := string(file.Source.Bytes[:r.Start]) + bom + "#" + string(file.Source.Bytes[g.Range.End:])
	plain, _ := parser.Parse(source.NewFile("Dockerfile", []byte(content)))
	if plain == nil || plain.Escape != file.Escape || len(plain.Nodes) != len(file.Nodes) {
		t.Fatalf("%q and %q do not have the same nodes", file.Source.Bytes, content)
	}
	for i, n := range file.Nodes {
		if _, ok := n.(*parser.Comment); !ok && n.Range().String() != plain.Nodes[i].Range().String() {
			t.Fatalf("%q becomes %q without the gate", n.Range(), plain.Nodes[i].Range())
		}
	}
}
