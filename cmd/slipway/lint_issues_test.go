package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// TestLintIssues runs slipway lint as in testdata/lintissues.txtar. With UPDATE=1, it writes the
// expected output.
func TestLintIssues(t *testing.T) {
	const name = "testdata/lintissues.txtar"
	ar, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	args, want, files := map[string]string{}, map[string]string{}, map[string]map[string]string{}
	var order []string
	for _, f := range ar.Files {
		dir, path, _ := strings.Cut(f.Name, "/")
		switch path, inFiles := strings.CutPrefix(path, "files/"); {
		case inFiles:
			files[dir][path] = string(f.Data)
		case path == "args":
			order = append(order, dir)
			args[dir] = strings.TrimSpace(string(f.Data))
			files[dir] = map[string]string{".git/HEAD": ""}
		default:
			want[dir] = string(f.Data)
		}
	}
	updated := &txtar.Archive{Comment: ar.Comment}
	for _, dir := range order {
		var got string
		t.Run(dir, func(t *testing.T) {
			writeFiles(t, files[dir])
			got = lintSummary(slipwayOut(t, append([]string{"lint", "--shellcheck", "off", "--resolve", "never"}, strings.Fields(args[dir])...)...))
			if wd, err := os.Getwd(); err == nil {
				got = strings.ReplaceAll(got, wd, ".")
			}
			if d := cmp.Diff(want[dir], got); d != "" && os.Getenv("UPDATE") == "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
		for _, f := range ar.Files {
			if strings.HasPrefix(f.Name, dir+"/") && f.Name != dir+"/out" {
				updated.Files = append(updated.Files, f)
			}
		}
		updated.Files = append(updated.Files, txtar.File{Name: dir + "/out", Data: []byte(got)})
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(name, txtar.Format(updated), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// lintSummary returns the exit code of slipway lint, its messages, the first line of each finding,
// and the regions of findings in SARIF.
func lintSummary(code int, out, told string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "exit code %d\n%s", code, told)
	for line := range strings.Lines(out) {
		if line != "" && !strings.HasPrefix(line, " ") && !strings.HasPrefix(out, "{") {
			b.WriteString(line)
		}
	}
	type region struct{ StartLine, StartColumn, EndLine, EndColumn int }
	var log struct {
		Runs []struct {
			Results []struct {
				RuleID    string
				Locations []struct{ PhysicalLocation struct{ Region region } }
			}
		}
	}
	if json.Unmarshal([]byte(out), &log) != nil {
		return b.String()
	}
	for _, res := range log.Runs[0].Results {
		for _, l := range res.Locations {
			fmt.Fprintf(&b, "%s %+v\n", res.RuleID, l.PhysicalLocation.Region)
		}
	}
	return b.String()
}
