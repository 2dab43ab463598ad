package namespace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"slipway/solver/runner/cgroup"
)

// guardName is the value of os.Args[0] with which this program runs as the guard.
const guardName = "slipway-guard"

// guardGroups is the environment variable that lists the directories of control groups
// for the guard to remove, one per line.
const guardGroups = "SLIPWAY_GUARD_GROUPS"

// guardFile is the descriptor of the guard's end of the socket to the builder.
const guardFile = 3

// guard starts and controls the guard, a process that kills the steps when the builder
// ends for any reason. The builder sends it a pidfd for the first process of each step.
// Only the builder has the other end of the guard's socket open, so the kernel closes
// it when the builder ends.
//
// The parent-death signal of a step is not sufficient: the kernel clears it when the
// process changes its user or executes a setuid program, such as su and sudo.
//
// The guard may signal steps that run as any user, because it is root of the user
// namespace in which all steps run. Safe for concurrent use.
type guard struct {
	mu     sync.Mutex
	socket *os.File        // the builder's end; nil unless the guard is running
	cmd    *exec.Cmd       // the guard process
	groups []string        // directories of the control groups of steps; they may not exist
	alive  context.Context // ends when the guard ends, with an error for the user as its cause
}

// start starts the guard unless it is running, and returns a context that ends when the
// guard ends. If the guard was killed, start returns an error.
func (g *guard) start(ctx context.Context) (context.Context, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.socket != nil {
		return g.alive, context.Cause(g.alive)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("guard process: %w", err)
	}
	socket, guardEnd := os.NewFile(uintptr(pair[0]), "guard"), os.NewFile(uintptr(pair[1]), "guard")
	defer guardEnd.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args, cmd.Env, cmd.Dir = []string{guardName}, []string{guardGroups + "=" + strings.Join(g.groups, "\n")}, "/"
	cmd.ExtraFiles = []*os.File{guardEnd}
	// Signals from the terminal are intended for the builder.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("guard process: %w", err), socket.Close())
	}
	alive, end := context.WithCancelCause(context.WithoutCancel(ctx))
	go func() {
		_ = cmd.Wait()
		end(fmt.Errorf("guard process: %v while RUN steps were running (build again)", cmd.ProcessState))
	}()
	g.socket, g.cmd, g.alive = socket, cmd, alive
	return alive, nil
}

// watch makes the guard kill p, the first process of a step, when the builder ends. It does
// not wait until the guard has received the message. The message arrives even if the builder
// is killed immediately afterwards. [guard.start] must have been called.
//
// Kernels before Linux 5.4 have no pidfds. On such a kernel, watch does nothing, and steps
// rely on the parent-death signal.
func (g *guard) watch(p *os.Process) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var sent error
	err := p.WithHandle(func(pidfd uintptr) {
		sent = unix.Sendmsg(int(g.socket.Fd()), []byte{0}, unix.UnixRights(int(pidfd)), nil, unix.MSG_NOSIGNAL)
	})
	switch {
	case errors.Is(err, os.ErrNoHandle):
		return nil
	case errors.Is(sent, unix.EPIPE), errors.Is(sent, unix.ECONNRESET):
		<-g.alive.Done() // the guard is ending
		return context.Cause(g.alive)
	case sent != nil:
		return fmt.Errorf("guard process: %w", sent)
	}
	return err
}

// Close kills the guard and waits until it has ended. Call it only if no step is running. The
// guard can be started again.
func (g *guard) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.socket == nil {
		return nil
	}
	_ = g.cmd.Process.Kill() // fails if the guard has already been killed
	err := g.socket.Close()
	<-g.alive.Done()
	g.socket = nil
	return err
}

// runGuard is the main function of the guard. When the builder has closed its end of
// the socket, runGuard kills the remaining steps and exits. It ignores all signals that
// can be ignored, so that only SIGKILL ends the guard earlier.
func runGuard() {
	signal.Ignore()
	files := []unix.PollFd{{Fd: guardFile, Events: unix.POLLIN}}
	for open := true; open; {
		if _, err := unix.Poll(files, -1); err != nil && !errors.Is(err, unix.EINTR) {
			break
		}
		files, open = guardEvents(files)
	}
	for _, step := range files[1:] {
		_ = unix.PidfdSendSignal(int(step.Fd), unix.SIGKILL, nil, 0)
	}
	if groups := os.Getenv(guardGroups); groups != "" {
		for _, step := range files[1:] { // all processes of a step have ended after its first one
			_, _ = unix.Poll([]unix.PollFd{{Fd: step.Fd, Events: unix.POLLIN}}, -1)
		}
		_ = cgroup.Remove(strings.Split(groups, "\n")) // a later builder will try again
	}
	os.Exit(0)
}

// guardEvents handles the results of polling files: files[0] is the socket to the builder, and
// the others are pidfds of steps. A pidfd is readable when its process has ended. guardEvents
// returns the files to poll next: without the pidfds of steps that have ended, and with a new
// pidfd if the builder has sent one. It also reports whether the builder still has its end of
// the socket open.
func guardEvents(files []unix.PollFd) (_ []unix.PollFd, open bool) {
	ready := files[0].Revents != 0
	left := files[:1]
	for _, step := range files[1:] {
		if step.Revents == 0 {
			left = append(left, step)
			continue
		}
		unix.Close(int(step.Fd))
	}
	if !ready {
		return left, true
	}
	pidfd, err := receiveFile(int(files[0].Fd))
	if err != nil || pidfd < 0 {
		return left, false
	}
	return append(left, unix.PollFd{Fd: int32(pidfd), Events: unix.POLLIN}), true
}
