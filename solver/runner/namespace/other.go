//go:build !linux

package namespace

import (
	"context"
	"errors"

	"slipway/solver/runner"
	"slipway/solver/runner/oci"
	"slipway/solver/tree"
)

// errLinux is the error that all functions return on systems other than Linux.
var errLinux = errors.New("namespaces are available on Linux only")

// Runner implements [runner.Runner] and [runner.Opener] on Linux. On other systems no
// Runner exists.
type Runner struct{}

var _ runner.Opener = (*Runner)(nil)

// New returns an error, because namespaces are available on Linux only.
func New(string, *tree.Store) (*Runner, error) { return nil, errLinux }

// NewOCI returns an error, because namespaces are available on Linux only.
func NewOCI(string, *tree.Store, oci.Runtime) (*Runner, error) { return nil, errLinux }

// Run returns an error, because namespaces are available on Linux only.
func (*Runner) Run(context.Context, *runner.Process) ([]*tree.Node, error) { return nil, errLinux }

// Open returns an error, because namespaces are available on Linux only.
func (*Runner) Open(context.Context, *runner.Sandbox) (runner.Container, error) { return nil, errLinux }

// Limit returns an error, because namespaces are available on Linux only.
func (*Runner) Limit(string, *runner.Resources) error { return errLinux }

// Close does nothing and returns nil.
func (*Runner) Close() error { return nil }

// Copies reports whether the runner copies file trees instead of mounting overlays. It
// is always false here, because this system has no Runner.
func (*Runner) Copies() bool { return false }

// Scratch returns "", because this system has no Runner.
func (*Runner) Scratch() string { return "" }

// Main does nothing, because only the runner on Linux starts processes of steps by
// executing this program.
func Main() {}

// Enter returns an error, because user namespaces are available on Linux only.
func Enter() error { return errLinux }

// Available returns an error, because namespaces are available on Linux only.
func Available(context.Context) error { return errLinux }

// CacheKey returns "", because no step can run in namespaces on this system.
func CacheKey() string { return "" }

// Privileged reports whether this process is root with the capability CAP_SYS_ADMIN, which
// it needs to create namespaces.
func Privileged() bool { return false }
