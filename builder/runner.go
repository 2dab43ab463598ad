package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"slipway/internal/singleflight"
	"slipway/solver/runner"
	"slipway/solver/runner/interp"
	"slipway/solver/runner/namespace"
	"slipway/solver/runner/oci"
	"slipway/solver/tree"
)

// chosenRunner is a [runner.Runner] that chooses another runner for the first process.
//
// Whether processes can run in namespaces is found out by running the first one there.
// A separate check would take a quarter of the time of a small build. Only if the process
// does not start, the check decides whether another runner is used.
type chosenRunner struct {
	s *localBuilder
	o *Options
	// available returns nil if processes can run in namespaces, and otherwise the reason.
	available func(context.Context) error

	chosen singleflight.Group[struct{}, runner.Opener]
	opened singleflight.Group[struct{}, *namespace.Runner]
	// namespaces is the runner that runs processes in namespaces. It is nil until it is
	// needed.
	namespaces *namespace.Runner
	works      atomic.Bool // a process has run in namespaces
}

var _ runner.Opener = (*chosenRunner)(nil)

func newRunner(s *localBuilder, o *Options) *chosenRunner {
	return &chosenRunner{s: s, o: o, available: namespace.Available}
}

// Run implements [runner.Runner].
func (c *chosenRunner) Run(ctx context.Context, p *runner.Process) ([]*tree.Node, error) {
	if c.o.Runner == "portable" || os.Geteuid() != 0 {
		return c.runChosen(ctx, p)
	}
	trees, failed := c.runInNamespaces(ctx, p)
	if failed == nil || c.works.Load() || ctx.Err() != nil {
		return trees, failed
	}
	run, err := c.choose(ctx)
	if err != nil {
		return nil, err
	}
	if _, same := run.(*namespace.Runner); same {
		return trees, failed
	}
	return run.Run(ctx, p)
}

// runChosen runs a process after the runner has been chosen.
func (c *chosenRunner) runChosen(ctx context.Context, p *runner.Process) ([]*tree.Node, error) {
	run, err := c.choose(ctx)
	if err != nil {
		return nil, err
	}
	return run.Run(ctx, p)
}

// runInNamespaces runs a process in namespaces.
func (c *chosenRunner) runInNamespaces(ctx context.Context, p *runner.Process) ([]*tree.Node, error) {
	run, err := c.inNamespaces(ctx)
	if err != nil {
		return nil, err
	}
	trees, err := run.Run(ctx, p)
	var exit *runner.ExitError
	if err == nil || errors.As(err, &exit) {
		c.proved(run)
	}
	return trees, err
}

// proved remembers that processes can run in namespaces.
func (c *chosenRunner) proved(run *namespace.Runner) {
	if c.works.CompareAndSwap(false, true) && run.Copies() {
		c.o.warn("each RUN step copies its whole root, as the file system of %s cannot hold an overlay (use --state DIR on another one)", c.s.Path)
	}
}

// Open implements [runner.Opener].
func (c *chosenRunner) Open(ctx context.Context, s *runner.Sandbox) (runner.Container, error) {
	run, err := c.choose(ctx)
	if err != nil {
		return nil, err
	}
	return run.Open(ctx, s)
}

// Close releases the resources of the chosen runner. It must be called after the
// last process has ended.
func (c *chosenRunner) Close() error {
	if c.namespaces == nil {
		return nil
	}
	return c.namespaces.Close()
}

func (c *chosenRunner) choose(ctx context.Context) (runner.Opener, error) {
	return c.chosen.Do(ctx, struct{}{}, c.runner)
}

// runner chooses the runner. It warns if this is not the one that the user expects.
func (c *chosenRunner) runner(ctx context.Context) (runner.Opener, error) {
	portable := interp.New(c.s.Store, c.o.Now)
	if c.o.Runner == "portable" {
		return portable, nil
	}
	err := c.available(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err == nil:
		run, err := c.inNamespaces(ctx)
		if err != nil {
			return nil, err // not run: a nil *Runner is not a nil interface
		}
		c.proved(run)
		return run, nil
	case c.o.Runner == "namespace", c.o.Runner == "oci":
		return nil, err
	case c.o.limited() != "":
		return nil, fmt.Errorf("--%s: RUN steps would be interpreted, as they cannot run in namespaces: %w (leave the limit out)", c.o.limited(), err)
	}
	c.o.warn("RUN steps are interpreted, as they cannot run in namespaces: %v", err)
	return portable, nil
}

// inNamespaces returns the runner whose processes run in namespaces, of this program
// or of an OCI runtime.
func (c *chosenRunner) inNamespaces(ctx context.Context) (*namespace.Runner, error) {
	return c.opened.Do(ctx, struct{}{}, func(context.Context) (*namespace.Runner, error) { return c.open() })
}

// open opens the runner for [chosenRunner.inNamespaces].
func (c *chosenRunner) open() (*namespace.Runner, error) {
	dir := c.s.Namespace()
	var r *namespace.Runner
	var err error
	if c.o.Runner == "oci" {
		var runtime oci.Runtime
		if runtime, err = oci.Find(); err == nil {
			r, err = namespace.NewOCI(dir, c.s.Store, runtime)
		}
	} else {
		r, err = namespace.New(dir, c.s.Store)
	}
	if err != nil {
		return nil, err
	}
	if c.o.limited() != "" {
		if err := c.o.limitSteps(r); err != nil {
			return nil, errors.Join(err, r.Close())
		}
	}
	c.namespaces = r
	return r, nil
}
