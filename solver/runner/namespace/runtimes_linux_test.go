//go:build integration

package namespace

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"slipway/solver/runner"
)

// TestRuntimes runs tests of this package again with runc and crun. With crun they run
// only as an ordinary user, because crun does not support hybrid control groups.
func TestRuntimes(t *testing.T) {
	for name, tests := range map[string]string{
		"runc": "Privileges|Setuid|System|System.*|Limits|WorkingDirectory|Container.*|Terminal.*|StartFails|Session|LeakedDirectory|ThreadRoots|Mount[^P].*|Secrets.*|Whiteouts|Sockets|DevicesOf.*|Ends.*|GuardCloses|OrdinaryUser|Group|LimitOfMemory|NoLimits|Kill",
		"crun": "OrdinaryUser",
	} {
		program, err := exec.LookPath(name)
		if err != nil {
			t.Fatalf("this test needs %s (apt-get install %[1]s)", name)
		}
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run", "^Test("+tests+")$")
		cmd.Env = append(os.Environ(), runtimeVar+"="+program)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("tests with %s: %v\n%s", name, err, out)
		}
	}
}

// TestKill checks that SIGKILL reaches a process that a runtime has started in a
// container, and no other process. Outside of TestRuntimes no OCI runtime is used, so
// the test does nothing.
func TestKill(t *testing.T) {
	if !usesRuntime() {
		return
	}
	w := newFixture(t)
	p := w.process(endlessScript)
	c := w.open(t, &p.Sandbox)
	first, second := start(t, c, p), start(t, c, w.process("while :; do :; done"))
	if err := second.Signal(syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	var exit *runner.ExitError
	if err := second.Wait(); !errors.As(err, &exit) || exit.Code != 137 {
		t.Errorf("killed process: error %v, want exit code 137", err)
	}
	if err := start(t, c, w.process("exit 3")).Wait(); !errors.As(err, &exit) || exit.Code != 3 {
		t.Errorf("next process: error %v, want exit code 3", err)
	}
	if err := first.Signal(syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	if err := first.Wait(); !errors.As(err, &exit) || exit.Code != 137 {
		t.Errorf("killed first process: error %v, want exit code 137", err)
	}
}
