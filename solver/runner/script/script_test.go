package script_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/internal/testtree"
	"slipway/solver/runner"
	"slipway/solver/runner/script"
	"slipway/solver/tree"
)

// process returns a process that runs a shell command on an empty root with additional
// mounts.
func process(command string, more ...runner.Mount) *runner.Process {
	root := runner.Mount{Kind: runner.MountTree, Target: "/", Tree: tree.Empty(), Output: true}
	return &runner.Process{
		Args: []string{"/bin/sh", "-c", command}, Dir: "/work",
		Sandbox: runner.Sandbox{Mounts: append([]runner.Mount{root}, more...)},
	}
}

// store returns a new store that is removed when the test ends.
func store(t *testing.T) *tree.Store {
	t.Helper()
	s, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSteps checks that each process performs the first step that matches its command,
// and that the error for an unexpected command lists the steps.
func TestSteps(t *testing.T) {
	r := script.New(store(t),
		script.Step{Run: "make", Times: 1, Files: map[string]string{"out/app": "1", "/etc/": ""}, Stdout: "built\n", Stderr: "slowly\n"},
		script.Step{Run: "make", Exit: 2},
		script.Step{Run: "test * -v *", Do: func(_ context.Context, c *script.Call) error {
			data, err := c.ReadFile("/in/f")
			return errors.Join(err, c.WriteFile("/copy", string(data)), c.Chmod("/copy", 0o700), c.Remove("/gone"))
		}, Remove: []string{"/old"}},
		script.Step{Run: "broken", Err: errors.New("no luck")},
		script.Step{Run: "never"},
	)
	var out, errs bytes.Buffer
	p := process("make")
	p.Stdout, p.Stderr = &out, &errs
	trees, err := r.Run(t.Context(), p)
	if err != nil || testtree.Must(trees[0].Get("work/out/app")) == nil || testtree.Must(trees[0].Get("etc")).Kind() != tree.Dir || out.String() != "built\n" || errs.String() != "slowly\n" {
		t.Errorf("make prints %q and %q with error %v, want its output, /work/out/app and /etc", &out, &errs, err)
	}
	var exit *runner.ExitError
	if _, err := r.Run(t.Context(), process("make")); !errors.As(err, &exit) || exit.Code != 2 {
		t.Errorf("second make: error %v, want exit code 2", err)
	}
	e := tree.Edit(nil)
	if _, err := e.MkdirAll("a/b", tree.Meta{Mode: 0o755}); err != nil {
		t.Fatal(err)
	}
	readOnly := runner.Mount{Kind: runner.MountTree, Target: "/ro", Tree: e.Tree(), ReadOnly: true}
	in := runner.Mount{Kind: runner.MountFile, Target: "/in/f", Data: []byte("data")}
	trees, err = r.Run(t.Context(), process("test a -v ./...", in, readOnly))
	if err != nil || testtree.Must(trees[0].Get("copy")).Meta().Mode != 0o700 || testtree.Must(trees[0].Get("in")) != nil {
		t.Errorf("test: error %v, want only /copy with mode 0700", err)
	}
	if _, err := r.Run(t.Context(), process("broken")); err == nil || err.Error() != "no luck" {
		t.Errorf("broken: error %v, want no luck", err)
	}
	_, err = r.Run(t.Context(), process("deploy"))
	for _, want := range []string{`no step matches "deploy"`, `"make", which has matched as often as it may`, `"test * -v *"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("unexpected step: error %v, want one that contains %s", err, want)
		}
	}
	if got := r.Commands(); !slices.Equal(got, []string{"make", "make", "test a -v ./...", "broken"}) {
		t.Errorf("processes %q, want make, make, test and broken", got)
	}
	if got := r.UnusedSteps(); !slices.Equal(got, []string{"never"}) {
		t.Errorf("unused steps %q, want never", got)
	}
	bad := script.New(store(t), script.Step{Run: "*", Files: map[string]string{"/ro/a/f": ""}})
	if _, err := bad.Run(t.Context(), process("x", readOnly)); err == nil || !strings.Contains(err.Error(), "read-only file system") {
		t.Errorf("a step that writes to a read-only mount: error %v, want read-only file system", err)
	}
}

// TestDelay checks that a canceled build does not wait for a slow step.
func TestDelay(t *testing.T) {
	r := script.New(store(t), script.Step{Run: "slow", Delay: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := r.Run(ctx, process("slow")); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled step: error %v, want %v", err, context.Canceled)
	}
}

// This example runs three commands: the first writes a file, the second fails with
// output, and the third has no step.
func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := tree.OpenStore(dir)
	if err != nil {
		log.Fatal(err)
	}
	steps := script.New(store,
		script.Step{Run: "go build *", Do: func(_ context.Context, c *script.Call) error {
			return c.WriteFile("/bin/app", "built with "+c.Args[2])
		}},
		script.Step{Run: "go vet", Exit: 1, Stderr: "main.go:1: wrong\n"},
	)
	for _, command := range []string{"go build ./cmd/app", "go vet", "go test"} {
		_, err := steps.Run(context.Background(), process(command))
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// process "/bin/sh -c go vet" did not complete successfully: exit code: 1
	// script: no step matches "go test" (add one to these):
	// 	"go build *"
	// 	"go vet"
}
