//go:build integration

package editors

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/integration/rig"
)

// TestShellCheck checks that slipway lint reports comments of the real ShellCheck with exact
// ranges and applies its corrections. The arguments of a build are variables without a value
// (hadolint's issue 984), and those of proxies always exist (issue 87). Comments for ShellCheck
// count (issue 343). Commands that no shell runs are not checked (issue 418).
func TestShellCheck(t *testing.T) {
	if err := rig.EnsurePackages(t.Context(), t.Output(), "shellcheck"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "Dockerfile")
	program, err := rig.CompileSlipway(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	const text = "FROM alpine:3.20\nARG V\nRUN echo\t\"🐳\" \\\n    # comment\n    $V\n" +
		"SHELL [\"/bin/ash\", \"-c\"]\nRUN echo -e \"$V\"\n# shellcheck disable=SC2086\nRUN echo $V\nSHELL [\"/bin/bash\", \"-c\"]\nRUN <<EOF\ncd /a\nEOF\n" +
		"RUN [\"sed\", \"-i\", \"/^a = /,$d\", \"b\"]\nRUN if [ \"${http_proxy}\" = \"\" ]; then echo c; fi\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	lint := func(args ...string) []byte {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, append([]string{"lint", "--no-config", "--only", "SC*"}, args...)...)
		out, err := cmd.Output()
		if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1 || len(exit.Stderr) > 0) {
			t.Fatalf("%v: %s", err, exit.Stderr)
		}
		return out
	}
	type finding struct {
		Rule         string
		Line, Column int
	}
	var got []finding
	if err := json.Unmarshal(lint("-f", "json", file), &got); err != nil {
		t.Fatal(err)
	}
	if want := []finding{{"SC2086", 5, 5}, {"SC2164", 12, 1}}; !cmp.Equal(got, want) {
		t.Errorf("findings (-want +got):\n%s", cmp.Diff(want, got))
	}
	lint("--fix", "--unsafe", file)
	const fixed = "FROM alpine:3.20\nARG V\nRUN echo\t\"🐳\" \\\n    # comment\n    \"$V\"\n" +
		"SHELL [\"/bin/ash\", \"-c\"]\nRUN echo -e \"$V\"\n# shellcheck disable=SC2086\nRUN echo $V\nSHELL [\"/bin/bash\", \"-c\"]\nRUN <<EOF\ncd /a || exit\nEOF\n" +
		"RUN [\"sed\", \"-i\", \"/^a = /,$d\", \"b\"]\nRUN if [ \"${http_proxy}\" = \"\" ]; then echo c; fi\n"
	if data, err := os.ReadFile(file); err != nil || string(data) != fixed {
		t.Errorf("fixed file (-want +got), error %v:\n%s", err, cmp.Diff(fixed, string(data)))
	}
}
