//go:build integration

package buildfaults

import (
	"bufio"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"slipway/integration/poll"
)

// TestNoProcessLeft checks that no process outlives the command: neither the processes of a
// step, nor the guard process that kills them. If a signal terminates the command itself
// (SIGHUP, SIGKILL), processes may exit a little later than the command.
func TestNoProcessLeft(t *testing.T) {
	// A subreaper becomes the parent of orphaned processes, so wantNoChildren finds them.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) }()
	// Commands inherit an ignored SIGHUP. Notify undoes that when the test runs under nohup.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	const wait = "sleep 100"
	for _, user := range []uint32{0, 65534} {
		for _, tc := range []struct {
			then string
			sig  syscall.Signal // 0 if the step exits by itself
			code int
		}{
			{"true", 0, 0},
			{"exit 3", 0, 1},
			{wait, syscall.SIGTERM, 143},
			{wait, syscall.SIGHUP, -1},
			{wait, syscall.SIGKILL, -1},
		} {
			s := newSite(t, "FROM base\nRUN (sleep 100 &); echo run\"\"ning; "+tc.then+"\n")
			s.user = user
			if err := errors.Join(os.Chmod(filepath.Dir(s.dir), 0o755), os.Chown(s.dir, int(user), int(user))); err != nil {
				t.Fatal(err)
			}
			cmd := s.command("-o", "type=tar,dest=out.tar")
			shown, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for lines := bufio.NewScanner(shown); lines.Scan(); {
				if tc.sig != 0 && strings.HasSuffix(lines.Text(), " running") {
					_ = cmd.Process.Signal(tc.sig)
				}
			}
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != tc.code {
				t.Errorf("user %d, %s, %v: exit code %d, want %d", user, tc.then, tc.sig, code, tc.code)
			}
			wantNoChildren(t, cmd.Process.Pid, tc.code >= 0)
		}
	}
}

// wantNoChildren checks that this process has no children. If immediate is true, all children
// must have exited before the call. Otherwise they have 20 seconds to exit. If the check fails,
// wantNoChildren kills the process group whose id is group.
func wantNoChildren(t *testing.T, group int, immediate bool) {
	t.Helper()
	if immediate {
		if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
			t.Errorf("process %d still exists, error %v:\n%s", pid, err, processes(group))
		}
	}
	none := func() bool {
		for {
			if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); pid <= 0 {
				return errors.Is(err, unix.ECHILD)
			}
		}
	}
	if !poll.Until(t.Context(), 20*time.Second, none) {
		t.Errorf("processes still exist:\n%s", processes(group))
		_ = syscall.Kill(-group, syscall.SIGKILL)
	}
}
