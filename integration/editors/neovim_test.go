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

// TestNeovim checks that neovim shows the diagnostics of slipway lsp, completes and follows names,
// and applies its edits.
func TestNeovim(t *testing.T) {
	if err := rig.EnsurePackages(t.Context(), t.Output(), "neovim"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	slipway, err := rig.CompileSlipway(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	file, result := filepath.Join(dir, "Dockerfile"), filepath.Join(dir, "result.json")
	if err := os.WriteFile(file, []byte("from scratch AS Name\nCOPPY 🐳 b /\nWORKDIR a\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("testdata/neovim.lua")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "nvim", "--headless", "-u", "NONE", "-i", "NONE", "-n", "-c", "luafile "+script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "SLIPWAY="+slipway, "DOCKERFILE="+file, "RESULT="+result, "HOME="+dir, "XDG_STATE_HOME="+dir, "XDG_CACHE_HOME="+dir)
	out, runErr := cmd.CombinedOutput()
	data, err := os.ReadFile(result)
	if err != nil {
		t.Fatalf("%v: %v\n%s", runErr, err, out)
	}
	var got struct {
		Opened, Changed, Formatted  []string
		Completed, Renamed, Ignored []string
		Defined                     struct{ Line, Character int }
		Error                       string
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	if runErr != nil || got.Error != "" {
		t.Fatalf("%v: %s\n%s", runErr, got.Error, out)
	}
	want := got
	others := []string{
		"0:0 ConsistentInstructionCasing: Command 'from' should match the case of the command majority (uppercase)",
		"0:13 FromAsCasing: 'AS' and 'from' keywords' casing do not match",
		"0:16 StageNameCasing: Stage name 'Name' should be lowercase",
	}
	const relative = `WorkdirRelativePath: Relative workdir "a" can have unexpected results if the base image changes`
	want.Opened = slices.Concat(others, []string{
		"1:0 slipway: dockerfile parse error on line 2: unknown instruction: COPPY (did you mean COPY?)",
		"2:8 " + relative,
	})
	want.Changed = slices.Concat(others, []string{"3:8 " + relative})
	want.Formatted = []string{"FROM scratch AS base", "COPY 🐳 \\", "    b /", "WORKDIR a"}
	want.Completed = []string{"Name"}
	want.Defined.Line, want.Defined.Character = 0, 16
	want.Renamed = []string{"from scratch AS base", "COPY 🐳 \\", "  b /", "WORKDIR a", "from base", "copy --from=base x /"}
	want.Ignored = []string{"# check=skip=WorkdirRelativePath", "WORKDIR a"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
