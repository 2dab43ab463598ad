package lint_test

import (
	"fmt"
	"strings"
	"testing"

	"slipway/lint"
	"slipway/lint/rules"
	"slipway/source"
)

// TestMerge checks which findings of several builds of a file become one.
func TestMerge(t *testing.T) {
	src := source.NewFile("Dockerfile", []byte("ARG IMAGE=a:1\nFROM $IMAGE\nRUN sudo true\nUSER root\n"))
	l := lint.New(rules.All(), lint.Settings{})
	var results []*lint.Result
	for _, image := range []string{"a:1", "b:latest", "c:latest"} {
		results = append(results, l.Lint(t.Context(), src, lint.Options{BuildArgs: map[string]string{"IMAGE": image}}))
	}
	var got []string
	for _, f := range lint.Merge(results, []string{"x", "y", "z"}).Findings {
		line, _ := f.Range.Lines()
		got = append(got, fmt.Sprintf("%d %s %s", line, f.Code, f.Message[max(0, strings.LastIndex(f.Message, "(target")):]))
	}
	for i, want := range []string{"2 ImageTagLatest (targets y, z)", "3 NoSudo sudo", "4 FinalUserIsRoot the"} {
		if len(got) != 3 || !strings.HasPrefix(got[i], want) {
			t.Fatalf("findings %q, want %s at %d", got, want, i)
		}
	}
}
