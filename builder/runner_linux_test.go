package builder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/buildkit/client"
	"github.com/moby/sys/userns"
	"golang.org/x/sys/unix"

	"slipway/internal/slowtest"
	"slipway/solver/runner/chroot"
	"slipway/solver/runner/namespace"
)

// asRoot is the environment variable that is set when the test binary runs as root in its
// own mount namespace.
const asRoot = "SLIPWAY_TEST_AS_ROOT"

func TestMain(m *testing.M) {
	namespace.Main()
	chroot.Main()
	if os.Getenv(asRoot) != "" {
		if err := namespace.Enter(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// runsAsRoot reports whether this process runs as root in its own mount namespace. If it does
// not, runsAsRoot starts such a process, which runs the test.
func runsAsRoot(t *testing.T) bool {
	t.Helper()
	if os.Getenv(asRoot) != "" {
		return true
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), asRoot+"=1")
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// TestCopyWarning checks that a build logs a warning if its state directory is on an overlay: each
// step must copy its root file system, or the layers are in a directory for temporary files.
func TestCopyWarning(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	if !runsAsRoot(t) {
		return
	}
	o := options(t, "")
	var log bytes.Buffer
	o.Runner, o.Log = "namespace", &log
	t.Chdir(t.TempDir())
	err := errors.Join(os.Mkdir("lower", 0o755), os.Mkdir("upper", 0o755), os.Mkdir("work", 0o755))
	if err == nil {
		err = unix.Mount("overlay", o.State, "overlay", 0, "lowerdir=lower,upperdir=upper,workdir=work,userxattr")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Unmount(o.State, unix.MNT_DETACH) }()
	for dir, want := range map[string]string{
		o.State:     "warning: each RUN step copies its whole root, as the file system of " + o.State + " cannot hold an overlay (use --state DIR on another one)\n",
		t.TempDir(): "warning: this build unpacks its layers in ",
	} {
		log.Reset()
		t.Setenv("TMPDIR", dir)
		s, err := openLocal(&o, nil)
		if err != nil {
			t.Fatal(err)
		}
		c := newRunner(s, &o)
		if _, err := c.choose(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(log.String(), want) || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("log %q, want %q", &log, want)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestLimitsRefused checks that an unsupported resource limit makes a build fail before a step
// runs. A subrequest in Options.Call runs no steps and must succeed.
func TestLimitsRefused(t *testing.T) {
	if !runsAsRoot(t) {
		return
	}
	o := options(t, "FROM scratch\nCOPY base /\nRUN [\"/nowhere\"]\n")
	o.Runner = "namespace"
	o.Resources = map[string]string{"memory": "30000000", "cpusetcpus": "8000"}
	// Users other than root cannot create control groups.
	want := "--cpuset-cpus: the kernel rejects the value \"8000\" of cpuset.cpus"
	if userns.RunningInUserNS() {
		want = "--memory: make a control group: "
	}
	if _, err := Build(t.Context(), o); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
	o.Call = "frontend.targets"
	if _, err := Build(t.Context(), o); err != nil {
		t.Errorf("a question: %v", err)
	}
}

// TestNoProcessLeft checks that this process has no child processes after a failed build
// in namespaces.
func TestNoProcessLeft(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	if !runsAsRoot(t) {
		return
	}
	o := options(t, "FROM scratch\nCOPY base /\nRUN [\"/nowhere\"]\n")
	o.Runner = "namespace"
	if _, err := Build(t.Context(), o); err == nil || !strings.Contains(err.Error(), "no such file or directory") {
		t.Errorf("error %v, want the error from a step that ran in namespaces", err)
	}
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		t.Errorf("a process is left: %d, %v", pid, err)
	}
}

// TestRunnerOCI checks that the runner "oci" requires an OCI runtime in PATH, and that it logs
// nothing.
func TestRunnerOCI(t *testing.T) {
	o := options(t, "")
	var log bytes.Buffer
	o.Runner, o.Log = "oci", &log
	s, err := openLocal(&o, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := newRunner(s, &o)
	c.available = func(context.Context) error { return nil }
	programs := t.TempDir()
	t.Setenv("PATH", programs)
	if run, err := c.choose(t.Context()); run != nil || err == nil || !strings.Contains(err.Error(), "neither runc nor crun is in PATH") {
		t.Errorf("without a runtime: %T, %v", run, err)
	}
	if err := os.WriteFile(filepath.Join(programs, "crun"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if run, err := c.choose(t.Context()); err != nil || run != c.namespaces || log.Len() > 0 {
		t.Errorf("with crun: %T, %v, log %q", run, err, &log)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// TestInterpretedResults checks builds that share a state directory with a build whose steps
// were interpreted. A build in namespaces must not use the results of interpreted steps. It
// must fail, because the programs in the image cannot run. Another build that interprets steps
// must use these results.
func TestInterpretedResults(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	if !runsAsRoot(t) {
		return
	}
	o := options(t, "FROM scratch\nCOPY base /\nRUN echo x > /d\n")
	state := o.State
	for _, again := range []bool{false, true} {
		if ran := stepNames(t, &o); strings.Contains(ran, "RUN") == again {
			t.Errorf("interpreted again: %t, ran %q, want the RUN step to run only in the first build", again, ran)
		}
		in := o
		in.Runner, in.State = "namespace", state
		if _, err := Build(t.Context(), in); err == nil || !strings.Contains(err.Error(), "echo x > /d") {
			t.Errorf("in namespaces: error %v, want the error of the step", err)
		}
	}
}

// stepNames runs a build, and returns the names of the steps that were executed.
func stepNames(t *testing.T, o *Options) string {
	t.Helper()
	names := map[string]bool{}
	in := *o
	in.Status = func(s *client.SolveStatus) {
		for _, v := range s.Vertexes {
			names[v.Name] = v.Completed != nil && !v.Cached
		}
	}
	if _, err := Build(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	var list []string
	for name, r := range names {
		if r {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
