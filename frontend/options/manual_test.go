package options

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestManual checks that the manual lists all options. With UPDATE=1, it writes the tables.
func TestManual(t *testing.T) {
	const file = "../../docs/reference/options.md"
	const begin, end = "<!-- UPDATE=1 go test ./frontend/options writes what follows -->\n", "<!-- end -->\n"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s: the lines %q and %q do not exist", file, begin, end)
	}
	want := before + begin + optionTables() + end + after
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(want, string(text)); d != "" {
		t.Errorf("%s is out of date, UPDATE=1 rewrites it (-want +got):\n%s", file, d)
	}
}

// optionTables returns the table of build arguments and the table of other options in Markdown.
func optionTables() string {
	var args, others strings.Builder
	for _, o := range table {
		b, name := &others, o.key
		if arg, ok := strings.CutPrefix(o.key, "build-arg:"); ok {
			b, name = &args, arg
		}
		override := ""
		if arg, ok := strings.CutPrefix(o.override, "build-arg:"); ok {
			override = ". The build argument `" + arg + "` overrides it"
		}
		fmt.Fprintf(b, "| `%s` | %s%s | %s | %s |\n", name, cell(o.effect), override, cell(o.value), cell(o.defaultText))
	}
	const head = "| %s | effect | value | default |\n|---|---|---|---|\n%s\n"
	return "\n## Build arguments\n\n" + fmt.Sprintf(head, "argument", args.String()) + "## Other options\n\n" + fmt.Sprintf(head, "option", others.String())
}

// cell escapes a text for a cell of a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "*", `\*`, "<", `\<`, "[", `\[`, "]", `\]`).Replace(s)
}
