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

	"slipway/internal/slowtest"
	"slipway/solver/runner"
	"slipway/solver/runner/cgroup"
)

// withoutGroups makes the runner behave as on a machine without control groups.
func (w *fixture) withoutGroups(t *testing.T) {
	t.Helper()
	if err := w.groups.Close(); err != nil {
		t.Fatal(err)
	}
	w.groups = new(cgroup.Set)
}

// TestGroup checks that the control group of a step is removed when the step ends, regardless
// of the reason. It also checks that the control groups of the builder are removed when the
// runner is closed.
func TestGroup(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	if isRootless(t) {
		return
	}
	t.Cleanup(func() { // runs after the cleanups of the container and the runner
		if left := groups(t, os.Getpid()); len(left) > 0 {
			t.Errorf("control groups %v remain, want none", left)
		}
	})
	w := newFixture(t)
	if err := w.Limit("", &runner.Resources{Memory: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	x := w.startEndless(t)
	if len(groups(t, os.Getpid())) == 0 {
		t.Error("no control group exists while a step runs, want one")
	}
	p := w.process("exit 3")
	p.Resources.Memory = 1 << 30
	var exit *runner.ExitError
	if _, err := w.Run(t.Context(), p); !errors.As(err, &exit) || exit.Code != 3 || errors.Is(err, unix.ENOMEM) {
		t.Errorf("step with a limit: error %v, want exit code 3", err)
	}
	if err := x.Signal(syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	if err := x.Wait(); err == nil {
		t.Error("killed step: error nil, want one")
	}
}

// TestLimitOfMemory checks that the error of a process that exceeds the memory limit mentions
// the limit, both for the first process of a container and for a later one.
func TestLimitOfMemory(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	if isRootless(t) {
		return
	}
	const want = "exit code: 137: cannot allocate memory (the step reached the memory limit of its control group)"
	w := newFixture(t)
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
		t.Errorf("joined process: error %v, want %s", err, want)
	}
}

// TestGroups checks in which control groups a process runs. This depends on its privileges,
// its limits and the configured parent group (--cgroup-parent).
func TestGroups(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	if isRootless(t) || usesRuntime() {
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
	w := newFixture(t)
	w.install(t, "bin/cat", "/bin/cat")
	const outside, common, own = "outside", "common", "own"
	for _, tc := range []struct {
		insecure                 bool
		memory                   int64
		parent                   string
		devices, limits, unified string // expected groups: in the version 1 hierarchies of devices and memory, and in version 2
	}{
		{false, 0, "", common, outside, common},
		{true, 0, "", own, own, own},
		{false, 1 << 30, "", common, own, "filtered"},
		{true, 1 << 30, "", own, own, own},
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
					t.Errorf("%+v: group %s, want one below %s", tc, line, tc.parent)
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

// TestNoLimits checks that on a machine without control groups, a step with limits
// fails before it starts, and a step without limits runs.
func TestNoLimits(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	if usesRuntime() {
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
		t.Errorf("step with a limit: output %q, error %v, want a LimitError for cpu-quota", &out, err)
	}
	p.Resources = runner.Resources{}
	if got, _ := w.run(t, p); got != "printed\n" {
		t.Errorf("step without limits: output %q, want printed", got)
	}
}

// TestInsecureGroups checks that an insecure step can create control groups below its own, that they are
// removed when the step ends, and that other steps do not see control groups.
func TestInsecureGroups(t *testing.T) {
	if isRootless(t) || usesRuntime() {
		return
	}
	w := newFixture(t)
	const script = "for d in /sys/fs/cgroup /sys/fs/cgroup/*; do if [ -e $d/cgroup.procs ]; then mkdir $d/made && echo made || echo failed; fi; done"
	w.install(t, "bin/mkdir", "/bin/mkdir")
	for _, insecure := range []bool{true, false} {
		p := w.process(script)
		p.Insecure = insecure
		out, _ := w.run(t, p)
		if strings.Contains(out, "made") != insecure || strings.Contains(out, "failed") {
			t.Errorf("insecure %t: output %q, want that each visible control group is writable", insecure, out)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if left := groups(t, os.Getpid()); len(left) > 0 {
		t.Errorf("control groups %v remain, want none", left)
	}
}

// TestMeasure checks that a step that is measured has a control group from its start until its
// measurement ends.
func TestMeasure(t *testing.T) {
	if isRootless(t) {
		return
	}
	w := newFixture(t)
	p := w.process("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done")
	var at []string
	p.Measure = func(group string) func() {
		at = append(at, group)
		return func() {
			data, err := os.ReadFile(filepath.Join(group, "cpu.stat"))
			if err != nil || strings.HasPrefix(string(data), "usage_usec 0\n") {
				t.Errorf("CPU time at the end: %q, error %v", data, err)
			}
			at = append(at, "end")
		}
	}
	if _, err := w.Run(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(mounts, []byte(" - cgroup2 ")) {
		if len(at) > 0 {
			t.Errorf("calls %q without version 2 of control groups, want none", at)
		}
		return
	}
	if len(at) != 2 || at[1] != "end" {
		t.Fatalf("calls %q, want a group and the end", at)
	}
	if _, err := os.Stat(at[0]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("group of the step after its end: error %v, want that it does not exist", err)
	}
}
