//go:build integration

package containers

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"slipway/integration/rig"
	"slipway/integration/toolbox"
)

// A changedExample is an example with a text in it that a test replaces to make it invalid, and a part
// of the problem that is then found.
type changedExample struct{ kind, file, old, new, problem string }

// changedExamples lists each file in examples/ci that a CI system reads.
func changedExamples() []changedExample {
	return []changedExample{
		{"workflow", "github-build.yml", "runs-on:", "run-on:", "Unexpected value 'run-on'"},
		{"workflow", "github-build.yml", "github.repository", "githb.repository", "Unrecognized named-value: 'githb'"},
		{"workflow", "github-workflow.yml", "security-events: write", "security-events: all", "Unexpected value 'all'"},
		{"action", "action.yml", "shell: bash", "shel: bash", "Unexpected value 'shel'"},
		{"gitlab", "gitlab-build.yml", "build-image:", "image:", "/image: must have required property 'name'"},
		{"gitlab", "gitlab-ci.yml", "codequality:", "code_quality:", "/dockerfiles/artifacts/reports: must NOT have additional properties"},
		{"tekton", "tekton-task.yaml", "params.IMAGE", "params.IMAG", "Undefined param 'IMAG'"},
		{"kubernetes", "kubernetes-job.yaml", "mountPath", "mountpath", `unknown field "spec.template.spec.containers[0].volumeMounts[0].mountpath"`},
		{"kubernetes", "kubernetes-job.yaml", "backoffLimit: 1", "backoffLimit: one", "spec.backoffLimit of type int32"},
	}
}

// TestSchemas checks the examples with what the CI systems publish: schemas of GitHub and GitLab, the
// types of Kubernetes, and a linter for Tekton. An invalid example shows that each check finds a
// problem. npm installs the versions in the lock file.
func TestSchemas(t *testing.T) {
	if err := rig.EnsurePackages(t.Context(), t.Output(), "nodejs", "npm"); err != nil {
		t.Fatal(err)
	}
	root, err := toolbox.Root()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := toolbox.Path(t.Context(), t.Output(), "manifest")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/schemas")); err != nil {
		t.Fatal(err)
	}
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir, npm.Env = dir, append(os.Environ(), "HOME="+dir)
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	problems := func(kind, text string) string {
		t.Helper()
		file := filepath.Join(dir, "example.yml")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "node", "check.js", kind, file)
		if kind == "kubernetes" {
			cmd = exec.CommandContext(t.Context(), manifest)
			cmd.Stdin = strings.NewReader(text)
		}
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil && len(out) == 0 {
			t.Fatal(err)
		}
		return string(out)
	}
	for _, c := range changedExamples() {
		data, err := os.ReadFile(filepath.Join(root, "examples", "ci", c.file))
		if err != nil {
			t.Fatal(err)
		}
		if found := problems(c.kind, string(data)); found != "" {
			t.Errorf("%s: %s", c.file, found)
		}
		if got := problems(c.kind, strings.ReplaceAll(string(data), c.old, c.new)); !strings.Contains(got, c.problem) {
			t.Errorf("%s with %q instead of %q: problems %q, want %q", c.file, c.new, c.old, got, c.problem)
		}
	}
}
