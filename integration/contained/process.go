package contained

import (
	"context"
	"os/exec"
	"syscall"
	"time"
)

// A Process is a running program including all processes that it has started.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed after the program has exited
	err  error         // exit error; valid after done is closed
}

// Done is closed when the program has exited.
func (p *Process) Done() <-chan struct{} { return p.done }

// PID returns the id of the program's first process, in the caller's namespace.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Wait returns the result of the program, as exec.Cmd.Wait does. If ctx is done
// first, it stops the program with the given grace period.
func (p *Process) Wait(ctx context.Context, grace time.Duration) error {
	select {
	case <-p.done:
	case <-ctx.Done():
		p.Stop(grace)
	}
	return p.err
}

// Stop asks the program to exit. After grace, it kills the program and all
// processes that it has started.
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
