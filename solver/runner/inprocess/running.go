package inprocess

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

// Signal is a signal that a process has received. The context of the process is
// canceled with this value as the cause.
type Signal syscall.Signal

func (s Signal) Error() string { return syscall.Signal(s).String() }

// running implements [runner.Running].
type running struct {
	cancel context.CancelCauseFunc
	any    bool // supports signals other than SIGKILL
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
		return fmt.Errorf("unsupported signal %v: interpreted processes support SIGKILL only", sig)
	}
	x.cancel(Signal(sig))
	return nil
}

// Resize implements [runner.Running].
func (*running) Resize(uint16, uint16) error { return errors.New("the process has no terminal") }
