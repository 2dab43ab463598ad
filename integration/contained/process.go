package contained

import (
	"context"
	"os/exec"
	"syscall"
	"time"
)

// A Process is a running program together with all that it has started.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed once the program has ended
	err  error         // how it ended; valid after done
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// PID returns the id of the program's first process, as the caller sees it.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Wait returns how the program ended, as exec.Cmd.Wait does. When ctx is done
// first, it stops the program, giving it grace to end by itself.
func (p *Process) Wait(ctx context.Context, grace time.Duration) error {
	select {
	case <-p.done:
	case <-ctx.Done():
		p.Stop(grace)
	}
	return p.err
}

// Stop asks the program to end, and kills it and all it has started when it has
// not done so after grace.
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
