//go:build integration

package editors

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/integration/rig"
)

// TestNode checks slipway lsp with Microsoft's client library, which VS Code uses: diagnostics, a
// fix, completion, rename, selection, folding, tokens, links, hints, cancellation and malformed messages. npm installs the versions in the
// lock file.
func TestNode(t *testing.T) {
	if err := rig.EnsurePackages(t.Context(), t.Output(), "nodejs", "npm"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	slipway, err := rig.CompileSlipway(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS("testdata/node")); err != nil {
		t.Fatal(err)
	}
	run := func(program string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "SLIPWAY="+slipway, "RESULT="+filepath.Join(dir, "result.json"), "HOME="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", program, err, out)
		}
	}
	run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	run("node", "client.js")
	data, err := os.ReadFile(filepath.Join(dir, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	others := []any{
		"2:4 AptInstallsRecommends: recommended packages are installed, too (use --no-install-recommends)",
		"2:4 AptWithoutYes: apt-get install asks for confirmation, which fails in a build (use -y)",
		"3:5 InvalidDefaultArgInFrom: Default value for ARG Name results in empty or invalid base image name",
	}
	const casing = "0:18 StageNameCasing: Stage name 'Name' should be lowercase"
	want := map[string]any{
		"encoding":     "utf-16",
		"diagnostics":  slices.Concat([]any{casing, "1:0 slipway: dockerfile parse error on line 2: unknown instruction: COPPY (did you mean COPY?)"}, others),
		"fixed":        "FROM debian:12 AS Name\nCOPPY 🐳 b /\nRUN apt-get install -y curl=1\nFROM Name\n",
		"fixedVersion": 1.0,
		"changed":      "FROM debian:12 AS Name\nCOPY 🐳 b /\nRUN apt-get install curl=1\nFROM Name\n",
		"diagnosticsAfter": slices.Concat([]any{casing}, others, []any{
			`3:5 slipway: failed to parse stage name "Name": invalid reference format: repository name (library/Name) must be lowercase (stages have names in lower case, write FROM name)`,
		}),
		"completion":            []any{"name", "scratch", "debian:12"},
		"renamed":               "FROM debian:12 AS base\nCOPY 🐳 b /\nRUN apt-get install curl=1\nFROM base\n",
		"renameRefused":         -32803.0,
		"selection":             "apt-get",
		"folding":               []any{"0-2"},
		"tokens":                12.0,
		"links":                 []any{"https://hub.docker.com/_/debian"},
		"hints":                 0.0,
		"cancelled":             -32800.0,
		"unknownMethod":         -32601.0,
		"malformed":             2.0,
		"symbols":               []any{"name", "stage 1"},
		"exit":                  0.0,
		"exitAfterBrokenHeader": 1.0,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("result of the client (-want +got):\n%s", d)
	}
}
