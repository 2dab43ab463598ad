package inprocess

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

// Signal is the cause of a process's canceled context: the signal that the process
// received.
type Signal syscall.Signal

func (s Signal) Error() string { return syscall.Signal(s).String() }

// running is a started process.
type running struct {
	cancel context.CancelCauseFunc
	any    bool // supports all signals
	ended  chan struct{}
	err    error // valid after ended is closed
}

// Wait implements [runner.Running].
func (x *running) Wait() error {
	<-x.ended
	return x.err
}

// Signal implements [runner.Running].
func (x *running) Signal(sig syscall.Signal) error {
	if sig != syscall.SIGKILL && !x.any {
		return fmt.Errorf("processes that are interpreted have no signals but KILL, not %v", sig)
	}
	x.cancel(Signal(sig))
	return nil
}

// Resize implements [runner.Running].
func (*running) Resize(uint16, uint16) error { return errors.New("the process has no terminal") }
