package rules_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"slipway/lint"
	"slipway/lint/rules"
	"slipway/source"
)

// TestIssueFiles checks the Dockerfiles in testdata/issues/files.txtar, with the rules that are on
// by default. The rules that concern a single rule are fixtures of the rule.
func TestIssueFiles(t *testing.T) {
	const name = "testdata/issues/files.txtar"
	ar, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, f := range ar.Files {
		if dir, ok := strings.CutSuffix(f.Name, "/out"); ok {
			want[dir] = string(f.Data)
		}
	}
	l := lint.New(rules.All(), lint.Settings{})
	updated := &txtar.Archive{Comment: ar.Comment}
	for _, f := range ar.Files {
		dir, ok := strings.CutSuffix(f.Name, "/Dockerfile")
		if !ok {
			continue
		}
		var b strings.Builder
		for _, found := range l.Lint(t.Context(), source.NewFile("Dockerfile", f.Data), lint.Options{}).Findings {
			line, _ := found.Range.Lines()
			fmt.Fprintf(&b, "%d %s\n", line, found.Code)
		}
		if d := cmp.Diff(want[dir], b.String()); d != "" && os.Getenv("UPDATE") == "" {
			t.Errorf("%s (-want +got):\n%s", dir, d)
		}
		updated.Files = append(updated.Files, f)
		if b.Len() > 0 {
			updated.Files = append(updated.Files, txtar.File{Name: dir + "/out", Data: []byte(b.String())})
		}
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(name, txtar.Format(updated), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestIssues checks that each issue in testdata/issues/list.txt has a test, and that each fixture
// with the number of an issue is in the list. A line of the list has the number of the issue, and
// the files whose fixtures or comments name it.
func TestIssues(t *testing.T) {
	data, err := os.ReadFile("testdata/issues/list.txt")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string][]string{} // numbers by file
	last := 0
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		n, err := strconv.Atoi(words[0])
		if err != nil || n <= last || len(words) < 2 {
			t.Fatalf("line %q: want a number above %d and files", line, last)
		}
		last = n
		for _, file := range words[1:] {
			listed[file] = append(listed[file], words[0])
		}
	}
	for file, numbers := range listed {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
			continue
		}
		found := issueNumbers(content)
		for _, n := range numbers {
			if !slices.Contains(found, n) {
				t.Errorf("%s does not name issue %s", file, n)
			}
		}
		for _, n := range found {
			if strings.HasSuffix(file, ".txtar") && !slices.Contains(numbers, n) {
				t.Errorf("testdata/issues/list.txt does not list issue %s of %s", n, file)
			}
		}
	}
}

// issueNumbers returns the numbers of issues in the names of fixtures, such as -- good-70/Dockerfile
// --, or in comments, such as issue 87.
func issueNumbers(content []byte) []string {
	var list []string
	for _, m := range regexp.MustCompile(`(?m)^-- (?:good-|bad-|)(\d+)/|\bissue (\d+)`).FindAllSubmatch(content, -1) {
		list = append(list, string(m[1])+string(m[2]))
	}
	return list
}
