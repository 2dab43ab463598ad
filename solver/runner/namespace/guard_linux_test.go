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

	"slipway/solver/runner"
)

// endless makes TestEndless run a step that does not end by itself. Its value is the
// kind of step. An orphan can only be killed by the guard. An unguarded step, which the
// guard does not know, can only be killed by the parent-death signal.
const (
	endless   = "SLIPWAY_TEST_ENDLESS"
	orphan    = "orphan"
	unguarded = "unguarded"
)

// endlessScript is the script of endless steps.
const endlessScript = "echo ready; while :; do :; done"

// TestEndless is run by TestEndsWithBuilder and TestOrdinaryUser.
func TestEndless(t *testing.T) {
	kind := os.Getenv(endless)
	if kind == "" {
		return
	}
	w := newWorld(t)
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
		defer w.mislead(t)()
	}
	p.Stdout, p.Stderr = os.Stdout, os.Stderr
	_, err := w.Run(t.Context(), p)
	t.Errorf("the step ended: %v", err)
}

// mislead starts the guard and redirects its messages until restore is called.
func (w *world) mislead(t *testing.T) (restore func()) {
	t.Helper()
	if _, err := w.guard.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	socket := w.guard.socket
	w.guard.socket = os.NewFile(uintptr(pair[0]), "nobody")
	return func() {
		err := errors.Join(w.guard.socket.Close(), unix.Close(pair[1]))
		if w.guard.socket = socket; err != nil {
			t.Error(err)
		}
	}
}

// TestEndsWithBuilder checks that steps end with the builder, however the builder ends.
func TestEndsWithBuilder(t *testing.T) {
	endsWithBuilder(t, func() *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run", "^TestEndless$")
		temp := t.TempDir() // killed processes do not remove their files
		cmd.Dir, cmd.Env = temp, append(os.Environ(), "TMPDIR="+temp)
		cmd.SysProcAttr = &syscall.SysProcAttr{}
		return cmd
	})
}

// endsWithBuilder kills processes that run TestEndless in all ways.
func endsWithBuilder(t *testing.T, command func() *exec.Cmd) {
	t.Helper()
	// Under nohup, the processes would ignore SIGHUP as well.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGHUP, syscall.SIGTERM} {
		killed(t, command(), orphan, sig)
	}
	if !byRuntime() { // the control group of an unguarded step would remain
		killed(t, command(), unguarded, syscall.SIGKILL)
	}
}

// killed sends a signal to a process that runs TestEndless. It checks that all
// descendants of the process end, including the step and the guard.
func killed(t *testing.T, cmd *exec.Cmd, kind string, sig syscall.Signal) {
	t.Helper()
	// Descendants that lose their parent become children of this process.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) }()
	cmd.Env = append(cmd.Env, endless+"="+kind)
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
	said := make([]byte, len("ready\n"))
	if _, err := io.ReadFull(r, said); err != nil || string(said) != "ready\n" {
		rest, _ := io.ReadAll(r)
		t.Errorf("%s, %v: the step says %q, %v", kind, sig, append(said, rest...), err)
	}
	_ = cmd.Process.Signal(sig)
	_ = cmd.Wait()
	// The step and the process in a user namespace hold the other end of the pipe.
	if err := r.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("%s, %v: after the end of the process that was started: %q, %v", kind, sig, rest, err)
		return
	}
	for err = nil; !errors.Is(err, unix.ECHILD); { // until no child is left
		_, err = unix.Wait4(-1, nil, 0, nil)
	}
	if left := groups(t, cmd.Process.Pid); len(left) > 0 {
		t.Errorf("%s, %v: after the end of all processes there are the control groups %v", kind, sig, left)
	}
}

// groups returns the control groups of a builder.
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

// guards returns the guard processes that are children of a process.
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

// running starts an endless step and returns after its script has started.
func (w *world) running(t *testing.T) runner.Running {
	t.Helper()
	p := w.process(endlessScript)
	shown, screen := io.Pipe()
	p.Stdout = screen
	x := start(t, w.open(t, &p.Sandbox), p)
	said := make([]byte, len("ready\n"))
	if _, err := io.ReadFull(shown, said); err != nil {
		t.Fatal(err)
	}
	return x
}

// TestGuardKilled checks that killing the guard ends all steps with an error that
// explains the cause, and that no new step starts.
func TestGuardKilled(t *testing.T) {
	w := newWorld(t)
	const want = "guard process: signal: killed while RUN steps were running"
	late := w.process("echo printed")
	var out bytes.Buffer
	late.Stdout = &out
	c := w.open(t, &late.Sandbox)
	x := w.running(t)
	for _, pid := range guards(t, os.Getpid()) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.Wait(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the step ends with %v, want %s", err, want)
	}
	if _, err := c.Start(late); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a step of a container that exists starts with %v, want %s", err, want)
	}
	if _, err := w.Run(t.Context(), late); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a later step ends with %v, want %s", err, want)
	}
	if out.Len() > 0 {
		t.Errorf("a step without a guard printed %q", &out)
	}
}

// TestCause checks that a container or a process that is canceled before its start
// returns the cause, like the steps of a killed guard.
func TestCause(t *testing.T) {
	w := newWorld(t)
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
		t.Errorf("a process starts with %v, want %v", err, cause)
	}
	if _, err := w.Open(ctx, &p.Sandbox); err == nil || err.Error() != cause.Error() {
		t.Errorf("a container opens with %v, want %v", err, cause)
	}
}

// TestUnknownToGuard checks that a step does not run if it cannot be registered with
// the guard.
func TestUnknownToGuard(t *testing.T) {
	w := newWorld(t)
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
		t.Errorf("the step printed %q", &out)
	}
}

// calls is a writer that calls a function on each write.
type calls func()

func (f calls) Write(b []byte) (int, error) {
	f()
	return len(b), nil
}

// TestGuardCloses checks that all steps share one guard, and that Close releases it,
// however the steps ended.
func TestGuardCloses(t *testing.T) {
	w := newWorld(t)
	open := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	if w.run(t, w.process(":")); w.Close() != nil { // opens files that the Go runtime keeps open
		t.Fatal("the guard does not close")
	}
	before := open()
	w.run(t, w.process(":"))
	if _, err := w.Run(t.Context(), w.process("exit 3")); err == nil {
		t.Error("a step that fails succeeds")
	}
	ctx, cancel := context.WithCancel(t.Context())
	p := w.process(endlessScript)
	p.Stdout = calls(cancel)
	if _, err := w.Run(ctx, p); !errors.Is(err, context.Canceled) {
		t.Errorf("a step that is canceled ends with %v", err)
	}
	if n := len(guards(t, os.Getpid())); n != 1 {
		t.Errorf("there are %d guards, want 1", n)
	}
	for range 2 {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	if pids := guards(t, os.Getpid()); len(pids) > 0 {
		t.Errorf("guards %v still run", pids)
	}
	if n := open(); n != before {
		t.Errorf("%d files are open, want %d", n, before)
	}
}

// TestGuardHidden checks that steps have only their own files open.
func TestGuardHidden(t *testing.T) {
	w := newWorld(t)
	const script = "for f in /proc/self/fd/*; do test -e $f && echo $f; done; :"
	if got, _ := w.run(t, w.process(script)); got != "/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\n" {
		t.Errorf("a step has the files\n%s, want 0, 1 and 2", got)
	}
}

// TestGuardEvents checks that the guard removes steps that have ended, receives new
// ones, and has the remaining ones when the builder ends.
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
			t.Errorf("open %v and %d steps, want %v and %d", open, len(files)-1, wantOpen, wantSteps)
		}
	}
	next(true, 1)
	next(true, 2)
	ended := files[1].Fd
	unix.Close(steps[0][1])
	next(true, 1)
	if _, err := unix.FcntlInt(uintptr(ended), unix.F_GETFD, 0); err != unix.EBADF {
		t.Errorf("the file of a step that has ended is open: %v", err)
	}
	unix.Close(pair[1])
	next(false, 1)
	unix.Close(int(files[1].Fd))
	unix.Close(steps[1][1])
}
