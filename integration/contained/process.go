package contained

import (
	"context"
	"os/exec"
	"syscall"
	"time"
)

// A Process is a running program and all processes that it started. Safe for concurrent use.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed after the program has exited
	err  error         // exit error of the program; valid after done is closed
}

// Done returns a channel that is closed when the program has exited.
func (p *Process) Done() <-chan struct{} { return p.done }

// PID returns the id of the program's first process in the caller's PID namespace.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Wait waits until the program exits and returns its error, as [exec.Cmd.Wait] does. If ctx is
// done first, Wait stops the program like [Process.Stop], with grace as the grace period.
func (p *Process) Wait(ctx context.Context, grace time.Duration) error {
	select {
	case <-p.done:
	case <-ctx.Done():
		p.Stop(grace)
	}
	return p.err
}

// Stop sends SIGTERM to the program. If the program has not exited within the grace period,
// Stop kills it and all processes that it started.
func (p *Process) Stop(grace time.Duration) {
	select {
	case <-p.done:
		return
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(grace):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}
