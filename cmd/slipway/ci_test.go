package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"go.yaml.in/yaml/v3"

	"slipway/internal/slowtest"
)

// readYAML reads a YAML file into v. Unknown keys are errors.
func readYAML(t *testing.T, path string, v any) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	if err := d.Decode(v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// repositoryRoot returns the root of this repository.
func repositoryRoot(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// ciRepository makes a directory with a Dockerfile the working directory, and puts this program on
// PATH as slipway.
func ciRepository(t *testing.T, dockerfile string) {
	t.Helper()
	slowtest.Skip(t, "runs many programs")
	writeFiles(t, map[string]string{"Dockerfile": dockerfile, ".git/HEAD": ""})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	script := "#!/bin/sh\n" + asCommand + "=1 exec '" + self + "' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(bin, "slipway"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// runScript runs a script with bash as GitHub does. It returns the exit code and the output.
func runScript(t *testing.T, script string, env ...string) (int, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

const (
	badCI  = "from debian:12\nRUN sudo true\n"
	goodCI = "FROM debian:12\nRUN true\n"
)

// TestCIAction runs the steps of the GitHub Action in examples/ci, with the defaults of its inputs,
// for a Dockerfile with findings and for one without. The step that compiles slipway is left out.
func TestCIAction(t *testing.T) {
	var action struct {
		Name, Description string
		Inputs            map[string]struct{ Description, Default string }
		Runs              struct {
			Using string
			Steps []struct {
				Uses, Name, Shell, Run, If string
				With, Env                  map[string]string
			}
		}
	}
	root := repositoryRoot(t)
	readYAML(t, filepath.Join(root, "examples/ci/action.yml"), &action)
	input := regexp.MustCompile(`^\$\{\{ inputs\.([a-z-]+) \}\}$`)
	for dockerfile, want := range map[string]int{badCI: 1, goodCI: 0} {
		ciRepository(t, dockerfile)
		output := ""
		for _, step := range action.Runs.Steps {
			if step.Run == "" || step.Name == "Compile" {
				continue
			}
			var env []string
			for name, value := range step.Env {
				m := input.FindStringSubmatch(value)
				if m == nil {
					t.Fatalf("step %s: value %q", step.Name, value)
				}
				in, ok := action.Inputs[m[1]]
				if !ok {
					t.Fatalf("step %s: unknown input %s", step.Name, m[1])
				}
				env = append(env, name+"="+in.Default)
			}
			code, out := runScript(t, step.Run, env...)
			if code != want {
				t.Errorf("step %s: exit code %d, want %d; output %s", step.Name, code, want, out)
			}
			output += out
		}
		if want == 1 && (!strings.Contains(output, "::error file=Dockerfile,line=2,") || !strings.Contains(output, "+FROM debian:12")) {
			t.Errorf("output %s", output)
		}
		if data, err := os.ReadFile(action.Inputs["sarif"].Default); err != nil || !json.Valid(data) {
			t.Errorf("SARIF: %v, %s", err, data)
		}
	}
	workflow, err := os.ReadFile(filepath.Join(root, "examples/ci/github-workflow.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var jobs struct {
		Jobs map[string]struct{ Steps []struct{ Uses string } }
	}
	if err := yaml.Unmarshal(workflow, &jobs); err != nil || !strings.Contains(jobs.Jobs["lint"].Steps[1].Uses, "/examples/ci@") {
		t.Errorf("the workflow does not use the action: %v, %+v", err, jobs)
	}
}

// TestCIGitLab runs the script of the GitLab job in examples/ci, and reads its reports.
func TestCIGitLab(t *testing.T) {
	var jobs map[string]struct {
		Image        string
		Variables    map[string]string
		BeforeScript []string `yaml:"before_script"`
		Script       []string
		Artifacts    struct {
			When    string
			Reports map[string]string
		}
	}
	readYAML(t, filepath.Join(repositoryRoot(t), "examples/ci/gitlab-ci.yml"), &jobs)
	job := jobs["dockerfiles"]
	for dockerfile, want := range map[string]int{badCI: 1, goodCI: 0} {
		ciRepository(t, dockerfile)
		for _, line := range job.Script {
			if code, out := runScript(t, line); code != want {
				t.Errorf("%s: exit code %d, want %d; output %s", line, code, want, out)
			}
		}
		var quality []struct {
			Description, Fingerprint, Severity string
			Location                           struct{ Path string }
		}
		data, err := os.ReadFile(job.Artifacts.Reports["codequality"])
		if err == nil {
			err = json.Unmarshal(data, &quality)
		}
		if err != nil || (len(quality) > 0) != (want == 1) || want == 1 && (quality[0].Fingerprint == "" || quality[0].Location.Path != "Dockerfile") {
			t.Errorf("code quality: %v, %s", err, data)
		}
		data, err = os.ReadFile(job.Artifacts.Reports["junit"])
		if err == nil {
			err = xml.Unmarshal(data, new(struct {
				XMLName xml.Name `xml:"testsuites"`
			}))
		}
		if err != nil {
			t.Errorf("JUnit: %v, %s", err, data)
		}
	}
}

// hook is a hook of pre-commit.
type hook struct {
	ID, Name, Description, Entry, Language string
	Types, Args                            []string
}

// TestCIPreCommit runs the hooks of pre-commit as the example configures them.
func TestCIPreCommit(t *testing.T) {
	root := repositoryRoot(t)
	var hooks []hook
	readYAML(t, filepath.Join(root, ".pre-commit-hooks.yaml"), &hooks)
	byID := map[string]hook{}
	for _, h := range hooks {
		byID[h.ID] = h
	}
	var config struct {
		Repos []struct {
			Repo, Rev string
			Hooks     []hook
		}
	}
	readYAML(t, filepath.Join(root, "examples/ci/pre-commit-config.yaml"), &config)
	if n := len(config.Repos[0].Hooks); n != len(hooks) {
		t.Errorf("the example has %d hooks, want %d", n, len(hooks))
	}
	for dockerfile, want := range map[string]int{badCI: 1, goodCI: 0} {
		ciRepository(t, dockerfile)
		for _, h := range config.Repos[0].Hooks {
			command := byID[h.ID].Entry + " " + strings.Join(h.Args, " ") + " Dockerfile"
			code, out := runScript(t, command)
			if wantCode := map[string]int{"slipway-lint": want}[h.ID]; code != wantCode || byID[h.ID].Language != "system" {
				t.Errorf("%s: exit code %d, want %d; output %s", command, code, wantCode, out)
			}
		}
		if data, err := os.ReadFile("Dockerfile"); err != nil || !strings.HasPrefix(string(data), "FROM ") {
			t.Errorf("after the hooks: %q, error %v", data, err)
		}
	}
}

// TestEditorSettings checks that the settings of editors in docs/guides/editors.md are valid, and that they
// start slipway lsp.
func TestEditorSettings(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(repositoryRoot(t), "docs/guides/editors.md"))
	if err != nil {
		t.Fatal(err)
	}
	editors := map[string]bool{"VS Code": false, "Neovim": false, "Helix": false, "Emacs": false, "Zed": false}
	for _, m := range regexp.MustCompile("(?ms)^([A-Z][^\n]*):\n\n```([a-z]+)\n(.*?)^```$").FindAllStringSubmatch(string(data), -1) {
		var err error
		switch language, text := m[2], []byte(m[3]); language {
		case "json":
			err = json.Unmarshal(text, new(map[string]any))
		case "toml":
			err = toml.Unmarshal(text, new(map[string]any))
		}
		if err != nil || !strings.Contains(m[3], "slipway") || !strings.Contains(m[3], "lsp") {
			t.Errorf("%s: %v\n%s", m[1], err, m[3])
		}
		for name := range editors {
			editors[name] = editors[name] || strings.HasPrefix(m[1], name)
		}
	}
	for name, found := range editors {
		if !found {
			t.Errorf("no settings for %s", name)
		}
	}
}
