package builder

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"slipway/internal/singleflight"
	"slipway/solver/runner"
	"slipway/solver/runner/chroot"
	"slipway/solver/runner/interp"
	"slipway/solver/runner/namespace"
	"slipway/solver/runner/oci"
	"slipway/solver/tree"
)

// autoRunner is a [runner.Runner] that chooses a runner when the first process runs, and then
// uses it for all processes.
//
// If this program is privileged, autoRunner first tries to run a process in namespaces without
// checking that this is possible, because the check would add a quarter to the duration of a
// small build. If the process cannot be started, autoRunner performs the check. If the check
// fails, too, the error is errRefused. The caller must then repeat the build with the field
// refused set to true, because cache keys include how steps are run.
type autoRunner struct {
	s  *localBuilder
	o  *Options
	os string // operating system of this machine, as in [runtime.GOOS]
	// privileged reports whether this program is allowed to create namespaces.
	privileged func() bool
	// available returns nil if processes can run in namespaces, and otherwise the reason
	// why they cannot.
	available func(context.Context) error
	// inContainer reports whether this program runs in a container.
	inContainer func() bool
	// openChroot returns the runner that runs processes without namespaces.
	openChroot func() (runner.Opener, error)

	chosen singleflight.Group[struct{}, runner.Opener]
	opened singleflight.Group[struct{}, *namespace.Runner]
	// namespaces is the runner that runs processes in namespaces. It is nil until a
	// process needs it.
	namespaces *namespace.Runner
	works      atomic.Bool // whether processes are known to run in namespaces
	refused    bool        // whether processes are known not to run in namespaces
}

var (
	_ runner.Opener   = (*autoRunner)(nil)
	_ runner.Keyed    = (*autoRunner)(nil)
	_ runner.Preparer = (*autoRunner)(nil)
)

// errRefused is the error for a process that could not be started in namespaces on a machine
// that, according to a later check, does not allow namespaces.
var errRefused = errors.New("namespaces are not available")

func newRunner(s *localBuilder, o *Options) *autoRunner {
	c := &autoRunner{s: s, o: o, os: runtime.GOOS, privileged: namespace.Privileged, available: namespace.Available, inContainer: chroot.InContainer}
	c.openChroot = c.inChroot
	return c
}

// isForced reports whether Options.Runner is a runner that needs no namespaces.
func (c *autoRunner) isForced() bool { return c.o.Runner == "portable" || c.o.Runner == "chroot" }

// CacheKey implements [runner.Keyed].
func (c *autoRunner) CacheKey(ctx context.Context) (string, error) {
	if !c.isForced() && !c.refused && c.privileged() {
		return namespace.CacheKey(), nil
	}
	run, err := c.choose(ctx)
	if err != nil {
		return "", err
	}
	if k, ok := run.(runner.Keyed); ok {
		return k.CacheKey(ctx)
	}
	return namespace.CacheKey(), nil
}

// Run implements [runner.Runner].
func (c *autoRunner) Run(ctx context.Context, p *runner.Process) ([]*tree.Node, error) {
	if c.isForced() || c.refused || !c.privileged() {
		return c.runChosen(ctx, p)
	}
	trees, failed := c.runInNamespaces(ctx, p)
	if failed == nil || c.works.Load() || ctx.Err() != nil {
		return trees, failed
	}
	err := c.available(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err == nil:
		c.works.Store(true)
		return trees, failed
	case c.o.Runner == "namespace", c.o.Runner == "oci":
		return nil, err
	}
	return nil, errRefused
}

// Prepare implements [runner.Preparer]. If the runner cannot be opened or chosen, Run returns
// the error.
func (c *autoRunner) Prepare(ctx context.Context, s *runner.Sandbox) {
	var run runner.Runner
	var err error
	if c.isForced() || c.refused || !c.privileged() {
		run, err = c.choose(ctx)
	} else {
		run, err = c.inNamespaces(ctx)
	}
	if p, ok := run.(runner.Preparer); ok && err == nil {
		p.Prepare(ctx, s)
	}
}

// runChosen chooses the runner, unless an earlier call has chosen it, and runs a process with
// it.
func (c *autoRunner) runChosen(ctx context.Context, p *runner.Process) ([]*tree.Node, error) {
	run, err := c.choose(ctx)
	if err != nil {
		return nil, err
	}
	return run.Run(ctx, p)
}

// runInNamespaces runs a process in namespaces without checking first that this is possible.
// If the process starts, it calls markWorking.
func (c *autoRunner) runInNamespaces(ctx context.Context, p *runner.Process) ([]*tree.Node, error) {
	run, err := c.inNamespaces(ctx)
	if err != nil {
		return nil, err
	}
	trees, err := run.Run(ctx, p)
	var exit *runner.ExitError
	if err == nil || errors.As(err, &exit) {
		c.markWorking(run)
	}
	return trees, err
}

// markWorking records that processes can run in namespaces. On the first call, it logs a
// warning if the state directory cannot hold overlays.
func (c *autoRunner) markWorking(run *namespace.Runner) {
	if !c.works.CompareAndSwap(false, true) {
		return
	}
	if dir := run.Scratch(); dir != "" {
		c.o.warn("this build unpacks its layers in %s, as the file system of %s cannot hold an overlay (use --state DIR on another one)", dir, c.s.Path)
	}
	if run.Copies() {
		c.o.warn("each RUN step copies its whole root, as the file system of %s cannot hold an overlay (use --state DIR on another one)", c.s.Path)
	}
}

// Open implements [runner.Opener].
func (c *autoRunner) Open(ctx context.Context, s *runner.Sandbox) (runner.Container, error) {
	run, err := c.choose(ctx)
	if err != nil {
		return nil, err
	}
	return run.Open(ctx, s)
}

// Close releases the resources of the chosen runner. The caller must wait for all processes
// first.
func (c *autoRunner) Close() error {
	if c.namespaces == nil {
		return nil
	}
	return c.namespaces.Close()
}

func (c *autoRunner) choose(ctx context.Context) (runner.Opener, error) {
	return c.chosen.Do(ctx, struct{}{}, c.chooseOnce)
}

// chooseOnce chooses the runner that Options.Runner specifies.
func (c *autoRunner) chooseOnce(ctx context.Context) (runner.Opener, error) {
	switch c.o.Runner {
	case "portable":
		return interp.New(c.s.Store, c.o.Now), nil
	case "chroot":
		return c.openChroot()
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
		c.markWorking(run)
		return run, nil
	case c.o.Runner == "namespace", c.o.Runner == "oci":
		return nil, err
	}
	return c.withoutNamespaces(err)
}

// inChroot returns the runner that runs processes without namespaces.
func (c *autoRunner) inChroot() (runner.Opener, error) {
	accept, err := chroot.ParseIsolations(c.o.Unisolated)
	if err != nil {
		return nil, fmt.Errorf("--unisolated: %w", err)
	}
	run, err := chroot.New(c.s.Chroot(), c.s.Store, accept)
	if err != nil {
		return nil, err // not run: a nil *Runner is not a nil interface
	}
	return run, nil
}

// inNamespaces returns the runner that runs processes in namespaces, either directly or
// with an OCI runtime. It opens the runner on the first call.
func (c *autoRunner) inNamespaces(ctx context.Context) (*namespace.Runner, error) {
	return c.opened.Do(ctx, struct{}{}, func(context.Context) (*namespace.Runner, error) { return c.open() })
}

// open opens the runner that [autoRunner.inNamespaces] returns, and configures it to
// apply the resource limits in the build's options to all RUN steps.
func (c *autoRunner) open() (*namespace.Runner, error) {
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
	if c.o.limitGiven() != "" {
		if err := c.o.limitSteps(r); err != nil {
			return nil, errors.Join(err, r.Close())
		}
	}
	c.namespaces = r
	return r, nil
}
