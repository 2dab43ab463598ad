package namespace

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"slipway/solver/runner"
	"slipway/solver/runner/cgroup"
)

// withoutGroups makes the runner behave as on a kernel without control groups.
func (w *world) withoutGroups(t *testing.T) {
	t.Helper()
	if err := w.groups.Close(); err != nil {
		t.Fatal(err)
	}
	w.groups = new(cgroup.Set)
}

// TestGroup checks that the control groups of steps are removed after the steps,
// however they end, and the group of the builder with the runner.
func TestGroup(t *testing.T) {
	if rootless(t) {
		return
	}
	t.Cleanup(func() { // runs after the cleanups of the container and the runner
		if left := groups(t, os.Getpid()); len(left) > 0 {
			t.Errorf("left are the control groups %v", left)
		}
	})
	w := newWorld(t)
	if err := w.Limit("", &runner.Resources{Memory: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	x := w.running(t)
	if len(groups(t, os.Getpid())) == 0 {
		t.Error("a step has no control group")
	}
	p := w.process("exit 3")
	p.Resources.Memory = 1 << 30
	var exit *runner.ExitError
	if _, err := w.Run(t.Context(), p); !errors.As(err, &exit) || exit.Code != 3 || errors.Is(err, unix.ENOMEM) {
		t.Errorf("a step with a limit ends with %v", err)
	}
	if err := x.Signal(syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	if err := x.Wait(); err == nil {
		t.Error("a step that is killed succeeds")
	}
}

// TestLimitOfMemory checks the error of a step that the kernel kills because it exceeds
// its memory limit. Later processes of its container have the same limit.
func TestLimitOfMemory(t *testing.T) {
	if rootless(t) {
		return
	}
	const want = "exit code: 137: cannot allocate memory (the step reached the memory limit of its control group)"
	w := newWorld(t)
	w.install(t, "bin/tail", "/usr/bin/tail")
	p := w.process("exec tail /dev/zero")
	p.Resources = runner.Resources{Memory: 64 << 20, CPUShares: 512}
	if _, err := w.Run(t.Context(), p); err == nil || !strings.HasSuffix(err.Error(), want) || !errors.Is(err, unix.ENOMEM) {
		t.Errorf("error %v, want %s", err, want)
	}
	endless := w.process(endlessScript)
	endless.Resources = p.Resources
	c := w.open(t, &endless.Sandbox)
	start(t, c, endless)
	if err := start(t, c, p).Wait(); err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("a process that joins: error %v, want %s", err, want)
	}
}

// TestGroups checks the device and memory groups of steps.
func TestGroups(t *testing.T) {
	if rootless(t) || byRuntime() {
		return
	}
	t.Cleanup(func() { // runs after the cleanup of the runner
		parents, err := filepath.Glob("/sys/fs/cgroup/*/slipway-test")
		for _, dir := range append(parents, "/sys/fs/cgroup/slipway-test") {
			err = errors.Join(err, cgroup.Remove([]string{dir}))
		}
		if err != nil {
			t.Error(err)
		}
	})
	w := newWorld(t)
	w.install(t, "bin/cat", "/bin/cat")
	const outside, common, own = "outside", "common", "own"
	for _, tc := range []struct {
		insecure                 bool
		memory                   int64
		parent                   string
		devices, limits, unified string // the groups with version 1 and version 2
	}{
		{false, 0, "", common, outside, common},
		{true, 0, "", outside, outside, outside},
		{false, 1 << 30, "", common, own, "filtered"},
		{true, 1 << 30, "", outside, own, own},
		{false, 0, "/slipway-test", common, own, "filtered"},
		{true, 0, "slipway-test", own, own, own},
	} {
		if err := w.Limit(tc.parent, &runner.Resources{Memory: tc.memory}); err != nil {
			t.Fatal(err)
		}
		p := w.process("cat /proc/self/cgroup")
		p.Insecure, p.Resources.Memory = tc.insecure, tc.memory
		got, _ := w.run(t, p)
		want := map[string]string{":devices:": tc.devices, ":memory:": tc.limits}
		if !strings.Contains(got, ":devices:") {
			want = map[string]string{"0::": tc.unified}
		}
		for controller, want := range want {
			in := outside
			for line := range strings.Lines(got) {
				switch {
				case !strings.Contains(line, controller) || !strings.Contains(line, "/slipway-"):
				case tc.parent != "" && !strings.Contains(line, ":/slipway-test/"):
					t.Errorf("%+v: %s", tc, line)
				case strings.HasSuffix(line, "/steps\n"):
					in = common
				case strings.HasSuffix(line, "/filtered\n"):
					in = "filtered"
				default:
					in = own
				}
			}
			if in != want {
				t.Errorf("%+v: the control group (%s) is %s, want %s:\n%s", tc, controller, in, want, got)
			}
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestNoLimits checks that without control groups, steps with limits do not start and
// other steps do.
func TestNoLimits(t *testing.T) {
	w := newWorld(t)
	if byRuntime() {
		if !w.userNamespace {
			return
		}
		for want, limits := range map[string]runner.Resources{"memory": {Memory: 1 << 30}, "cgroup-parent": {}} {
			if err := w.Limit("x", &limits); err == nil || !strings.HasPrefix(err.Error(), want+": a rootless OCI runtime does not create control groups") {
				t.Errorf("error %v, want one about %s", err, want)
			}
		}
	}
	w.withoutGroups(t)
	p := w.process("echo printed")
	p.Resources.CPUQuota = 5000
	var out bytes.Buffer
	p.Stdout = &out
	var limit *cgroup.LimitError
	if _, err := w.Run(t.Context(), p); !errors.As(err, &limit) || limit.Limit != "cpu-quota" || out.Len() > 0 {
		t.Errorf("a step with a limit prints %q, error %v", &out, err)
	}
	p.Resources = runner.Resources{}
	if got, _ := w.run(t, p); got != "printed\n" {
		t.Errorf("a step without limits prints %q", got)
	}
}
