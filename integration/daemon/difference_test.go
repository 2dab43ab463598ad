//go:build integration

package daemon

import (
	"strings"
	"testing"
)

// difference lists the lines that only one of two texts of images has, each with
// the layer it is in; "" if they are the same.
func difference(want, got string) string {
	if want == got {
		return ""
	}
	var b strings.Builder
	list := func(sign, text, other string) {
		count := map[string]int{}
		for _, line := range located(other) {
			count[line]++
		}
		for _, line := range located(text) {
			if count[line]--; count[line] < 0 {
				b.WriteString(sign + line + "\n")
			}
		}
	}
	list("-", want, got)
	list("+", got, want)
	if b.Len() == 0 {
		return "the same lines in another order"
	}
	return b.String()
}

// located returns the lines of a text, each behind the heading that it is below.
func located(text string) []string {
	var list []string
	heading := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "config" || strings.HasPrefix(line, "layer ") {
			heading = line
		}
		list = append(list, heading+": "+line)
	}
	return list
}

// TestDifference checks that each of the things that are compared makes a
// difference.
func TestDifference(t *testing.T) {
	const image = "config\n{\n  \"Cmd\": 1\n}\nlayer 0\ndir 0755 a\nfile 0644 a/b\nlayer 1\nfile 0644 a/b\n"
	if d := difference(image, image); d != "" {
		t.Errorf("of the same: %s", d)
	}
	for _, tc := range []struct{ old, changed string }{
		{"0644", "0600"},
		{"Cmd", "Entrypoint"},
		{"layer 1", "layer 2"},
		{"dir 0755 a\nfile 0644 a/b\n", "file 0644 a/b\ndir 0755 a\n"},
		{"layer 1\nfile 0644 a/b\n", ""},
	} {
		if difference(image, strings.Replace(image, tc.old, tc.changed, 1)) == "" {
			t.Errorf("%q instead of %q makes no difference", tc.changed, tc.old)
		}
	}
}
