//go:build integration

package editors

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"slipway/integration/rig"
)

// TestPreCommit runs the hooks of .pre-commit-hooks.yaml with the real pre-commit, as in
// examples/ci/pre-commit-config.yaml. The program comes from the step of the GitHub Action that
// compiles it.
func TestPreCommit(t *testing.T) {
	if err := rig.EnsurePackages(t.Context(), t.Output(), "pre-commit", "git"); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	w := workspace{t: t, dir: temp, env: append(os.Environ(),
		"PATH="+filepath.Join(temp, "slipway")+string(os.PathListSeparator)+os.Getenv("PATH"),
		"HOME="+temp, "PRE_COMMIT_HOME="+filepath.Join(temp, "cache"), "GIT_CONFIG_GLOBAL="+os.DevNull,
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com",
	)}
	w.compile(root)

	hooks := w.repository("hooks", map[string]string{".pre-commit-hooks.yaml": read(t, filepath.Join(root, ".pre-commit-hooks.yaml"))})
	config := read(t, filepath.Join(root, "examples/ci/pre-commit-config.yaml"))
	const url = "https://git.example.com/slipway"
	if !strings.Contains(config, url) {
		t.Fatalf("the example does not contain %s:\n%s", url, config)
	}
	app := w.repository("app", map[string]string{
		".pre-commit-config.yaml": strings.Replace(config, url, hooks, 1),
		"sub/Dockerfile.dev":      "from debian:12\nRUN sudo true\n",
		"README.md":               "from nothing\n",
	})
	w.dir = app
	code, out := w.run("pre-commit", "run", "--all-files")
	if code != 1 || !strings.Contains(out, "sub/Dockerfile.dev:2:5: error") || !strings.Contains(out, "files were modified by this hook") || strings.Contains(out, "README") {
		t.Errorf("exit code %d, output %s", code, out)
	}
	if got, want := read(t, filepath.Join(app, "sub/Dockerfile.dev")), "FROM debian:12\nRUN sudo true\n"; got != want {
		t.Errorf("after the hooks: %q, want %q", got, want)
	}
	if err := os.WriteFile(filepath.Join(app, "sub/Dockerfile.dev"), []byte("FROM debian:12\nRUN true\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, out := w.run("pre-commit", "run", "--all-files"); code != 0 {
		t.Errorf("without findings: exit code %d, output %s", code, out)
	}
}

// read returns the content of a file.
func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// workspace runs programs in a directory.
type workspace struct {
	t   *testing.T
	dir string
	env []string
}

// run runs a program. It returns the exit code and the output.
func (w *workspace) run(program string, args ...string) (int, string) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), program, args...)
	cmd.Dir, cmd.Env = w.dir, w.env
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// compile runs the step Compile of the GitHub Action, with the directory of the workspace for
// temporary files.
func (w *workspace) compile(root string) {
	w.t.Helper()
	var action struct {
		Runs struct{ Steps []struct{ Name, Run string } }
	}
	if err := yaml.Unmarshal([]byte(read(w.t, filepath.Join(root, "examples/ci/action.yml"))), &action); err != nil {
		w.t.Fatal(err)
	}
	path := filepath.Join(w.dir, "path")
	for _, step := range action.Runs.Steps {
		if step.Name != "Compile" {
			continue
		}
		cmd := exec.CommandContext(w.t.Context(), "bash", "-eo", "pipefail", "-c", step.Run)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "ACTION_PATH="+filepath.Join(root, "examples/ci"), "RUNNER_TEMP="+w.dir, "GITHUB_PATH="+path)
		if out, err := cmd.CombinedOutput(); err != nil {
			w.t.Fatalf("%v: %s", err, out)
		}
	}
	if got, want := strings.TrimSpace(read(w.t, path)), filepath.Join(w.dir, "slipway"); got != want {
		w.t.Fatalf("directory for PATH %q, want %q", got, want)
	}
}

// repository creates a repository with a commit of the given files on the branch main. It returns
// its path.
func (w *workspace) repository(name string, files map[string]string) string {
	w.t.Helper()
	r := *w
	r.dir = filepath.Join(w.dir, name)
	for path, text := range files {
		path = filepath.Join(r.dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "-A"}, {"commit", "-q", "-m", "files"}} {
		if code, out := r.run("git", args...); code != 0 {
			w.t.Fatalf("git %v: %s", args, out)
		}
	}
	return r.dir
}
