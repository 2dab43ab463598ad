package imagetree

import (
	"strings"
	"testing"
)

// TestDifference checks that Difference reports a change of each compared property.
func TestDifference(t *testing.T) {
	const image = "config\n{\n  \"Cmd\": 1\n}\nlayer 0\ndir 0755 a\nfile 0644 a/b\nlayer 1\nfile 0644 a/b\n"
	if d := Difference(image, image); d != "" {
		t.Errorf("equal texts differ: %s", d)
	}
	for _, tc := range []struct{ old, changed string }{
		{"0644", "0600"},
		{"Cmd", "Entrypoint"},
		{"layer 1", "layer 2"},
		{"dir 0755 a\nfile 0644 a/b\n", "file 0644 a/b\ndir 0755 a\n"},
		{"layer 1\nfile 0644 a/b\n", ""},
	} {
		if Difference(image, strings.Replace(image, tc.old, tc.changed, 1)) == "" {
			t.Errorf("%q instead of %q makes no difference", tc.changed, tc.old)
		}
	}
}
