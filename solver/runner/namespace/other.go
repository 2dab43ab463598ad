//go:build !linux

package namespace

import (
	"context"
	"errors"

	"slipway/solver/runner"
	"slipway/solver/runner/oci"
	"slipway/solver/tree"
)

// errLinux is the error of all functions on other systems.
var errLinux = errors.New("namespaces are a part of Linux")

// Runner is a [runner.Runner] and a [runner.Opener] on Linux.
type Runner struct{}

var _ runner.Opener = (*Runner)(nil)

// New fails: namespaces are a part of Linux.
func New(string, *tree.Store) (*Runner, error) { return nil, errLinux }

// NewOCI fails: namespaces are a part of Linux.
func NewOCI(string, *tree.Store, oci.Runtime) (*Runner, error) { return nil, errLinux }

// Run fails: namespaces are a part of Linux.
func (*Runner) Run(context.Context, *runner.Process) ([]*tree.Node, error) { return nil, errLinux }

// Open fails: namespaces are a part of Linux.
func (*Runner) Open(context.Context, *runner.Sandbox) (runner.Container, error) { return nil, errLinux }

// Limit fails: namespaces are a part of Linux.
func (*Runner) Limit(string, *runner.Resources) error { return errLinux }

// Close does nothing.
func (*Runner) Close() error { return nil }

// Copies returns false.
func (*Runner) Copies() bool { return false }

// Main does nothing.
func Main() {}

// Enter fails: namespaces are a part of Linux.
func Enter() error { return errLinux }

// Available returns an error, because namespaces are a part of Linux.
func Available(context.Context) error { return errLinux }
