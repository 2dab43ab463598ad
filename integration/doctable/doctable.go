// Package doctable compares tables in the documentation with the results of tests.
package doctable

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/integration/toolbox"
)

// Check compares a table with the one in COMPATIBILITY.md that the make target of the test writes.
// If the environment has UPDATE=1, it writes the table there instead. Two lines enclose the table:
//
//	<!-- UPDATE=1 make TARGET writes what follows -->
//	<!-- UPDATE=1 make TARGET wrote what precedes -->
func Check(t testing.TB, target, table string) {
	t.Helper()
	root, err := toolbox.Root()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "COMPATIBILITY.md")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	start := "<!-- UPDATE=1 make " + target + " writes what follows -->\n"
	end := "<!-- UPDATE=1 make " + target + " wrote what precedes -->\n"
	before, rest, ok := strings.Cut(string(data), start)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the lines that enclose the table of make %s", file, target)
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(before+start+table+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(old, table); diff != "" {
		t.Errorf("%s (-file +now); UPDATE=1 writes it\n%s", file, diff)
	}
}
