package build

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"slipway/solver/runner/namespace"
)

// asRoot makes the tests run as root, if need be of a user namespace.
const asRoot = "SLIPWAY_TEST_AS_ROOT"

func TestMain(m *testing.M) {
	namespace.Main()
	if os.Getenv(asRoot) != "" {
		if err := namespace.Enter(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// TestNoProcessLeft: all processes have ended when a build returns, the guard of
// its steps among them.
func TestNoProcessLeft(t *testing.T) {
	if os.Getenv(asRoot) == "" {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run", "^TestNoProcessLeft$")
		cmd.Env = append(os.Environ(), asRoot+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	o := options(t, "FROM scratch\nCOPY base /\nRUN [\"/nowhere\"]\n")
	o.Runner = "namespace"
	if _, err := Build(t.Context(), o); err == nil || !strings.Contains(err.Error(), "no such file or directory") {
		t.Errorf("error %v, want that of a step that ran in namespaces", err)
	}
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		t.Errorf("a process is left: %d, %v", pid, err)
	}
}
