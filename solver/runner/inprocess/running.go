package inprocess

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

// Signal is why the context of a process ended: somebody sent it one.
type Signal syscall.Signal

func (s Signal) Error() string { return syscall.Signal(s).String() }

// running is a process that was started.
type running struct {
	cancel context.CancelCauseFunc
	any    bool // it has all signals
	ended  chan struct{}
	err    error // when it has ended
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
