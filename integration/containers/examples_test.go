//go:build integration

package containers

import (
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"go.yaml.in/yaml/v3"

	"slipway/integration/baseimage"
	"slipway/integration/toolbox"
)

// jobContainer is a container in a manifest of Kubernetes or Tekton. The types here have only the fields
// that the examples use, so that a misspelled one is an error.
type jobContainer struct {
	Name, Image   string
	WorkingDir    string `yaml:"workingDir"`
	Command, Args []string
	Env           []struct{ Name, Value string }
	VolumeMounts  []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
		ReadOnly  bool   `yaml:"readOnly"`
	} `yaml:"volumeMounts"`
}

// volume is a volume in a manifest.
type volume struct {
	Name     string
	EmptyDir *struct{} `yaml:"emptyDir"`
	Secret   struct {
		SecretName string `yaml:"secretName"`
		Items      []struct{ Key, Path string }
	}
}

// manifest is the common part of manifests.
type manifest struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct{ Name string }
}

// kubernetesJob is a Job of the API batch/v1.
type kubernetesJob struct {
	manifest `yaml:",inline"`
	Spec     struct {
		BackoffLimit int `yaml:"backoffLimit"`
		Template     struct {
			Spec struct {
				RestartPolicy string `yaml:"restartPolicy"`
				Containers    []jobContainer
				Volumes       []volume
			}
		}
	}
}

// tektonTask is a Task of the API tekton.dev/v1.
type tektonTask struct {
	manifest `yaml:",inline"`
	Spec     struct {
		Params []struct {
			Name, Type, Description string
			Default                 any
		}
		Workspaces []struct {
			Name, Description string
			Optional          bool
			MountPath         string `yaml:"mountPath"`
		}
		Results []struct{ Name, Description string }
		Steps   []jobContainer
		Volumes []volume
	}
}

// readExample reads a file in examples/ci into v. Unknown keys are errors.
func readExample(t *testing.T, file string, v any) {
	t.Helper()
	root, err := toolbox.Root()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(root, "examples", "ci", file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	if err := d.Decode(v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// TestExamples runs the jobs in examples/ci in a container of Docker, as the CI systems do, with the
// registry of the test. Each must push an image.
func TestExamples(t *testing.T) {
	h := newHost(t)
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	context := filepath.Join(h.dir, "context")
	busybox, err := os.ReadFile(baseimage.Busybox)
	err = errors.Join(err, os.Mkdir(context, 0o755), os.WriteFile(filepath.Join(context, "busybox"), busybox, 0o755),
		os.WriteFile(filepath.Join(context, "Dockerfile"), []byte("FROM scratch\nCOPY busybox /bin/sh\nRUN echo x > /f\n"), 0o644),
		os.WriteFile(filepath.Join(context, "config.json"), []byte("{}"), 0o644))
	if err != nil {
		t.Fatal(err)
	}
	for tag, job := range map[string][]string{"k8s": kubernetesArgs(t), "tekton": tektonArgs(t), "gitlab": gitlabArgs(t), "github": githubArgs(t)} {
		args := []string{"run", "--rm", "--network", "host", "-v", context + ":/src", "-v", "/state", "-w", "/src", "-e", "DOCKER_CONFIG=/tmp", image}
		in := strings.NewReplacer("registry.example", host, "TAG", tag)
		for _, arg := range job {
			args = append(args, in.Replace(arg))
		}
		if out, err := h.engine.Docker(t.Context(), h.dir, args...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", tag, err, out)
			continue
		}
		ref, err := name.ParseReference(host + "/app:" + tag)
		if err == nil {
			_, err = remote.Head(ref, remote.WithContext(t.Context()))
		}
		if err != nil {
			t.Errorf("%s: %v", tag, err)
		}
	}
}

// kubernetesArgs returns the command of the Job.
func kubernetesArgs(t *testing.T) []string {
	t.Helper()
	var job kubernetesJob
	readExample(t, "kubernetes-job.yaml", &job)
	pod := job.Spec.Template.Spec
	if job.APIVersion != "batch/v1" || job.Kind != "Job" || pod.RestartPolicy != "Never" || len(pod.Containers) != 1 || !mountsAll(&pod.Containers[0], pod.Volumes) {
		t.Fatalf("the Job is %+v", job)
	}
	in := strings.NewReplacer("https://git.example.com/app.git#main", "/src", "app:1", "app:TAG")
	args := []string{"slipway"}
	for _, arg := range pod.Containers[0].Args {
		args = append(args, in.Replace(arg))
	}
	return args
}

// mountsAll reports whether a container mounts exactly the given volumes.
func mountsAll(c *jobContainer, volumes []volume) bool {
	names := map[string]bool{}
	for _, v := range volumes {
		names[v.Name] = true
	}
	for _, m := range c.VolumeMounts {
		if !names[m.Name] {
			return false
		}
		delete(names, m.Name)
	}
	return len(names) == 0
}

// tektonArgs returns the command of the step of the Task, with its variables replaced.
func tektonArgs(t *testing.T) []string {
	t.Helper()
	var task tektonTask
	readExample(t, "tekton-task.yaml", &task)
	if task.APIVersion != "tekton.dev/v1" || task.Kind != "Task" || len(task.Spec.Steps) != 1 || !mountsAll(&task.Spec.Steps[0], task.Spec.Volumes) {
		t.Fatalf("the Task is %+v", task)
	}
	values := []string{"$(workspaces.source.path)", "/src", "$(results.IMAGE_DIGEST.path)", "/state/digest"}
	for _, p := range task.Spec.Params {
		switch v := p.Default.(type) {
		case string:
			values = append(values, "$(params."+p.Name+")", v)
		case nil:
			values = append(values, "$(params."+p.Name+")", "registry.example/app:TAG")
		}
	}
	in := strings.NewReplacer(values...)
	step := task.Spec.Steps[0]
	args := step.Command
	for _, arg := range step.Args {
		if arg = in.Replace(arg); arg == "$(params.ARGS[*])" {
			continue // no arguments by default
		}
		if strings.Contains(arg, "$(") {
			t.Errorf("unknown variable in %s", arg)
		}
		args = append(args, arg)
	}
	return args
}

// gitlabArgs returns a command that runs the script of the job of GitLab.
func gitlabArgs(t *testing.T) []string {
	t.Helper()
	var jobs map[string]struct {
		Image     string
		Variables map[string]string
		Script    []string
	}
	readExample(t, "gitlab-build.yml", &jobs)
	script := "set -e; CI_REGISTRY_IMAGE=registry.example/app; CI_COMMIT_SHA=TAG; CI_REGISTRY=registry.example; CI_REGISTRY_USER=me; CI_REGISTRY_PASSWORD=x\n"
	for name, value := range jobs["build-image"].Variables {
		script += name + "=\"" + value + "\"\n"
	}
	return []string{"sh", "-c", script + strings.Join(jobs["build-image"].Script, "\n")}
}

// githubArgs returns a command that runs the scripts of the workflow of GitHub.
func githubArgs(t *testing.T) []string {
	t.Helper()
	var workflow struct {
		Name        string
		On          []string
		Permissions map[string]string
		Jobs        map[string]struct {
			RunsOn    string `yaml:"runs-on"`
			Container string
			Steps     []struct {
				Uses, Name, Run string
				Env             map[string]string
			}
		}
	}
	readExample(t, "github-build.yml", &workflow)
	in := strings.NewReplacer("${{ secrets.GITHUB_TOKEN }}", "x", "${{ github.repository }}", "app", "ghcr.io", "registry.example")
	script := "set -e; GITHUB_ACTOR=me; GITHUB_SHA=TAG\n"
	for _, step := range workflow.Jobs["image"].Steps {
		for name, value := range step.Env {
			script += name + "=\"" + in.Replace(value) + "\"\n"
		}
		script += in.Replace(step.Run) + "\n"
	}
	return []string{"sh", "-c", script}
}
