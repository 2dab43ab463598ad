package namespace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"slipway/internal/slowtest"
	"slipway/solver/runner"
)

// endlessVar is the environment variable that makes TestEndless run a step that does
// not end by itself. Its value is the kind of step: "orphan", "unguarded", or any other
// text for an ordinary step. An orphan has no parent-death signal, so only the guard
// can kill it. An unguarded step is not registered with the guard, so only the
// parent-death signal can kill it.
const (
	endlessVar = "SLIPWAY_TEST_ENDLESS"
	orphan     = "orphan"
	unguarded  = "unguarded"
)

// endlessScript is a shell script that prints ready and then runs until it is killed.
const endlessScript = "echo ready; while :; do :; done"

// TestEndless is not a test by itself. Other tests run it in a separate process, where it
// starts an endless step, and then kill this process.
func TestEndless(t *testing.T) {
	kind := os.Getenv(endlessVar)
	if kind == "" {
		return
	}
	w := newFixture(t)
	if kind == orphan {
		w.probe(t, nil)
	}
	p := w.process(endlessScript)
	switch kind {
	case orphan:
		p.Args = []string{"/bin/probe", "orphan:" + endlessScript}
	case unguarded:
		if !hasOneUser() {
			p.User = "me"
		}
		defer w.redirectGuard(t)()
	}
	p.Stdout, p.Stderr = os.Stdout, os.Stderr
	_, err := w.Run(t.Context(), p)
	t.Errorf("endless step: Run returned %v, want that it does not return", err)
}

// redirectGuard starts the guard and diverts all messages to it, so that the guard receives
// none until restore is called.
func (w *fixture) redirectGuard(t *testing.T) (restore func()) {
	t.Helper()
	if _, err := w.guard.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	socket := w.guard.socket
	w.guard.socket = os.NewFile(uintptr(pair[0]), "no guard")
	return func() {
		err := errors.Join(w.guard.socket.Close(), unix.Close(pair[1]))
		if w.guard.socket = socket; err != nil {
			t.Error(err)
		}
	}
}

// TestEndsWithBuilder checks that steps are killed when the builder is killed by
// SIGKILL, SIGHUP or SIGTERM.
func TestEndsWithBuilder(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	checkEndsWithBuilder(t, func() *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run", "^TestEndless$")
		temp := t.TempDir() // killed processes do not remove their files
		cmd.Dir, cmd.Env = temp, append(os.Environ(), "TMPDIR="+temp)
		cmd.SysProcAttr = &syscall.SysProcAttr{}
		return cmd
	})
}

// checkEndsWithBuilder checks that steps are killed with their builder. It kills
// builders that run TestEndless, with several signals and kinds of steps (see
// endlessVar). The parameter command returns the command that starts a builder.
func checkEndsWithBuilder(t *testing.T, command func() *exec.Cmd) {
	t.Helper()
	// Handle SIGHUP, so that the builders do too even if nohup started this test.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGHUP, syscall.SIGTERM} {
		checkKilled(t, command(), orphan, sig)
	}
	if !usesRuntime() { // the guard removes the control group that a runtime creates
		checkKilled(t, command(), unguarded, syscall.SIGKILL)
	}
}

// checkKilled starts the builder cmd, which runs TestEndless with a step of the given
// kind (see endlessVar), and sends it the signal sig. It checks that all descendants of
// the builder end, including the step and the guard, and that no control groups remain.
func checkKilled(t *testing.T, cmd *exec.Cmd, kind string, sig syscall.Signal) {
	t.Helper()
	// Descendants that lose their parent become children of this process.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) }()
	cmd.Env = append(cmd.Env, endlessVar+"="+kind)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr.Setpgid = w, w, true
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }() // clean up if the test fails
	output := make([]byte, len("ready\n"))
	if _, err := io.ReadFull(r, output); err != nil || string(output) != "ready\n" {
		rest, _ := io.ReadAll(r)
		t.Errorf("%s, %v: output of the step %q, error %v, want ready", kind, sig, append(output, rest...), err)
	}
	_ = cmd.Process.Signal(sig)
	_ = cmd.Wait()
	// The step and the process in a user namespace hold the other end of the pipe.
	if err := r.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("%s, %v: output after the end of the builder %q, error %v, want none", kind, sig, rest, err)
		return
	}
	for err = nil; !errors.Is(err, unix.ECHILD); { // until no child is left
		_, err = unix.Wait4(-1, nil, 0, nil)
	}
	if left := groups(t, cmd.Process.Pid); len(left) > 0 {
		t.Errorf("%s, %v: control groups %v remain, want none", kind, sig, left)
	}
}

// groups returns the directories of the control groups that the builder with the given PID has
// created.
func groups(t *testing.T, pid int) []string {
	t.Helper()
	var list []string
	for _, pattern := range []string{"/sys/fs/cgroup/slipway-*-%d-*", "/sys/fs/cgroup/*/slipway-*-%d-*"} {
		found, err := filepath.Glob(fmt.Sprintf(pattern, pid))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, found...)
	}
	return list
}

// guards returns the PIDs of all guard processes that the process with the given PID has
// started.
func guards(t *testing.T, parent int) (pids []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name, _ := os.ReadFile(file) // the process may have ended
		stat, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "stat"))
		head, tail, _ := strings.Cut(string(stat), " (")
		var pid, ppid int
		_, err := fmt.Sscan(head, &pid)
		if i := strings.LastIndex(tail, ") "); i >= 0 && err == nil && string(name) == guardName+"\x00" {
			_, err = fmt.Sscanf(tail[i:], ") %1s %d", new(string), &ppid)
			if err == nil && ppid == parent {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// startEndless starts an endless step and returns when its script runs.
func (w *fixture) startEndless(t *testing.T) runner.Running {
	t.Helper()
	p := w.process(endlessScript)
	shown, screen := io.Pipe()
	p.Stdout = screen
	x := start(t, w.open(t, &p.Sandbox), p)
	if _, err := io.ReadFull(shown, make([]byte, len("ready\n"))); err != nil {
		t.Fatal(err)
	}
	return x
}

// TestGuardKilled checks that killing the guard kills all steps, that their errors name
// the guard, and that no further step starts.
func TestGuardKilled(t *testing.T) {
	w := newFixture(t)
	const want = "guard process: signal: killed while RUN steps were running"
	late := w.process("echo printed")
	var out bytes.Buffer
	late.Stdout = &out
	c := w.open(t, &late.Sandbox)
	x := w.startEndless(t)
	for _, pid := range guards(t, os.Getpid()) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.Wait(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("running step: error %v, want %s", err, want)
	}
	if _, err := c.Start(late); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("step in an open container: error %v, want %s", err, want)
	}
	if _, err := w.Run(t.Context(), late); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("later step: error %v, want %s", err, want)
	}
	if out.Len() > 0 {
		t.Errorf("output of steps without a guard %q, want none", &out)
	}
}

// TestCause checks that opening a container or starting a process with a canceled
// context returns the cause of the cancellation.
func TestCause(t *testing.T) {
	w := newFixture(t)
	cause := errors.New("the cause")
	ctx, cancel := context.WithCancelCause(t.Context())
	p := w.process(":")
	c, err := w.Open(ctx, &p.Sandbox)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cancel(cause)
	if _, err := c.Start(p); err == nil || err.Error() != cause.Error() {
		t.Errorf("Start: error %v, want %v", err, cause)
	}
	if _, err := w.Open(ctx, &p.Sandbox); err == nil || err.Error() != cause.Error() {
		t.Errorf("Open: error %v, want %v", err, cause)
	}
}

// TestUnknownToGuard checks that a step whose process cannot be registered with the guard
// fails before its program runs.
func TestUnknownToGuard(t *testing.T) {
	w := newFixture(t)
	p := w.process("echo printed")
	var out bytes.Buffer
	p.Stdout = &out
	c := w.open(t, &p.Sandbox)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	socket := w.guard.socket
	w.guard.socket = null
	defer func() { w.guard.socket = socket }()
	if _, err := c.Start(p); !errors.Is(err, unix.ENOTSOCK) || !strings.HasPrefix(err.Error(), "guard process: ") {
		t.Errorf("error %v, want guard process: %v", err, unix.ENOTSOCK)
	}
	if out.Len() > 0 {
		t.Errorf("output %q, want none", &out)
	}
}

// writerFunc is an [io.Writer] that calls a function on each write and discards the
// data.
type writerFunc func()

func (f writerFunc) Write(b []byte) (int, error) {
	f()
	return len(b), nil
}

// TestGuardCloses checks that all steps of a runner share one guard. Close must end the guard
// and release its files, regardless of how the steps ended.
func TestGuardCloses(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	open := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	if w.run(t, w.process(":")); w.Close() != nil { // opens files that the Go runtime keeps open
		t.Fatal("Close failed, want nil")
	}
	before := open()
	w.run(t, w.process(":"))
	if _, err := w.Run(t.Context(), w.process("exit 3")); err == nil {
		t.Error("failing step: error nil, want exit code 3")
	}
	ctx, cancel := context.WithCancel(t.Context())
	p := w.process(endlessScript)
	p.Stdout = writerFunc(cancel)
	if _, err := w.Run(ctx, p); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled step: error %v, want %v", err, context.Canceled)
	}
	if n := len(guards(t, os.Getpid())); n != 1 {
		t.Errorf("%d guards, want 1", n)
	}
	for range 2 {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	if pids := guards(t, os.Getpid()); len(pids) > 0 {
		t.Errorf("guards %v run after Close, want none", pids)
	}
	if n := open(); n != before {
		t.Errorf("%d open files after Close, want %d", n, before)
	}
}

// TestGuardHidden checks that a step has only its standard streams open. In particular, it
// must not have the socket to the guard.
func TestGuardHidden(t *testing.T) {
	w := newFixture(t)
	const script = "for f in /proc/self/fd/*; do test -e $f && echo $f; done; :"
	if got, _ := w.run(t, w.process(script)); got != "/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\n" {
		t.Errorf("open files\n%s\nwant 0, 1 and 2", got)
	}
}

// TestGuardEvents checks that guardEvents adds a step that the builder sends, removes a
// step that has ended, and returns the remaining steps when the builder has ended.
func TestGuardEvents(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	var steps [2][2]int // pipes: closing the write end represents the end of the step
	for i := range steps {
		if err := unix.Pipe2(steps[i][:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(steps[i][0])
		if err := unix.Sendmsg(pair[1], []byte{0}, unix.UnixRights(steps[i][0]), nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	files := []unix.PollFd{{Fd: int32(pair[0]), Events: unix.POLLIN}}
	next := func(wantOpen bool, wantSteps int) {
		t.Helper()
		if _, err := unix.Poll(files, -1); err != nil {
			t.Fatal(err)
		}
		var open bool
		if files, open = guardEvents(files); open != wantOpen || len(files) != 1+wantSteps {
			t.Errorf("guardEvents: open %v and %d steps, want %v and %d", open, len(files)-1, wantOpen, wantSteps)
		}
	}
	next(true, 1)
	next(true, 2)
	ended := files[1].Fd
	unix.Close(steps[0][1])
	next(true, 1)
	if _, err := unix.FcntlInt(uintptr(ended), unix.F_GETFD, 0); err != unix.EBADF {
		t.Errorf("pidfd of a step that has ended: error %v, want %v", err, unix.EBADF)
	}
	unix.Close(pair[1])
	next(false, 1)
	unix.Close(int(files[1].Fd))
	unix.Close(steps[1][1])
}
