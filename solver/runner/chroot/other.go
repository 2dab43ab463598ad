//go:build !linux

package chroot

import (
	"context"
	"errors"

	"slipway/solver/runner"
	"slipway/solver/tree"
)

// errLinux is the error that all functions return on systems other than Linux.
var errLinux = errors.New("the chroot runner is available on Linux only")

// Runner implements [runner.Runner] and [runner.Opener] on Linux. On other systems no
// Runner exists.
type Runner struct{}

var _ runner.Opener = (*Runner)(nil)

// New returns an error, because the runner is available on Linux only.
func New(string, *tree.Store, []Isolation) (*Runner, error) { return nil, errLinux }

// Run returns an error, because the runner is available on Linux only.
func (*Runner) Run(context.Context, *runner.Process) ([]*tree.Node, error) { return nil, errLinux }

// Open returns an error, because the runner is available on Linux only.
func (*Runner) Open(context.Context, *runner.Sandbox) (runner.Container, error) { return nil, errLinux }

// Main does nothing, because only the runner on Linux starts processes of steps by
// executing this program.
func Main() {}

// Available returns an error, because the runner is available on Linux only.
func Available() error { return errLinux }

// InContainer reports whether this process certainly runs in a container. It is always false
// here, because the runner is available on Linux only.
func InContainer() bool { return false }

// Restore does nothing, because no step has run on this system.
func Restore(string) error { return nil }
