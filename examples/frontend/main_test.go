package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/frontend/gateway/client"

	"slipway/solver"
	"slipway/solver/gateway"
	"slipway/solver/llbsource"
	"slipway/solver/runner/script"
	"slipway/solver/tree"
)

// TestBuild checks the image that the frontend builds from a YAML file. It uses no daemon,
// and a script defines the effect of each command.
func TestBuild(t *testing.T) {
	dir := t.TempDir()
	text := "from: scratch\nrun:\n- make\n- make install\ncmd: [/app]\n"
	if err := os.WriteFile(filepath.Join(dir, "build.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c, steps := newClient(t, dir, script.Step{Run: "make", Files: map[string]string{"/src/app": "program"}}, script.Step{Run: "make install", Files: map[string]string{"/app": "program"}})
	res, err := build(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	data, err := res.Ref.ReadFile(t.Context(), client.ReadRequest{Filename: "/app"})
	if err != nil || string(data) != "program" {
		t.Errorf("file %q, %v", data, err)
	}
	if got := steps.Commands(); !slices.Equal(got, []string{"make", "make install"}) {
		t.Errorf("commands %q", got)
	}
	if config := string(res.Metadata["containerimage.config"]); !strings.Contains(config, `"Cmd":["/app"]`) {
		t.Errorf("config %s", config)
	}
}

// TestInvalid checks the error for a file that is not YAML.
func TestInvalid(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "build.yaml"), []byte("from: [\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, _ := newClient(t, dir)
	if _, err := build(t.Context(), c); err == nil || !strings.HasPrefix(err.Error(), "build.yaml: yaml: line ") {
		t.Errorf("error %v", err)
	}
}

// newClient returns a client for a build of build.yaml in dir, and the runner that executes the
// build's steps. The script, list, defines the effect of each command.
func newClient(t *testing.T, dir string, list ...script.Step) (client.Client, *script.Runner) {
	t.Helper()
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cache := solver.NewMemoryCache()
	sources := &llbsource.Sources{Store: store, Cache: cache, Dirs: map[string]string{"dockerfile": dir}}
	steps := script.New(store, list...)
	job := solver.New(t.Context(), solver.Options{Store: store, Cache: cache, Sources: sources, Runner: steps, Now: time.Now})
	t.Cleanup(job.Wait)
	return gateway.New(gateway.Options{Build: job, Store: store, Sources: sources, Opts: map[string]string{"filename": "build.yaml"}}), steps
}
