package builder

import (
	"context"
	"fmt"
	"path/filepath"

	"slipway/internal/singleflight"
	"slipway/solver/runner"
	"slipway/solver/runner/interp"
	"slipway/solver/runner/namespace"
	"slipway/solver/runner/oci"
	"slipway/solver/tree"
)

// chosenRunner is a [runner.Runner] that chooses another runner when the first process
// starts. To find out what the machine allows takes a quarter of the time of a build in
// which all steps are cached.
type chosenRunner struct {
	s *state
	o *Options
	// available returns why processes cannot run in namespaces; nil if they can.
	available func(context.Context) error

	chosen singleflight.Group[struct{}, runner.Opener]
	// namespaces is the chosen runner if processes run in namespaces, and nil otherwise.
	namespaces *namespace.Runner
}

var _ runner.Opener = (*chosenRunner)(nil)

func newRunner(s *state, o *Options) *chosenRunner {
	return &chosenRunner{s: s, o: o, available: namespace.Available}
}

// Run implements [runner.Runner].
func (c *chosenRunner) Run(ctx context.Context, p *runner.Process) ([]*tree.Node, error) {
	run, err := c.choose(ctx)
	if err != nil {
		return nil, err
	}
	return run.Run(ctx, p)
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
	portable := interp.New(c.s.store, c.o.Now)
	if c.o.Runner == "portable" {
		return portable, nil
	}
	err := c.available(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err == nil:
		return c.inNamespaces()
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
func (c *chosenRunner) inNamespaces() (runner.Opener, error) {
	dir := filepath.Join(c.s.dir, "namespace")
	var r *namespace.Runner
	var err error
	if c.o.Runner == "oci" {
		var runtime oci.Runtime
		if runtime, err = oci.Find(); err == nil {
			r, err = namespace.NewOCI(dir, c.s.store, runtime)
		}
	} else {
		r, err = namespace.New(dir, c.s.store)
	}
	if err != nil {
		return nil, err
	}
	c.namespaces = r
	if c.o.limited() != "" {
		if err := c.o.limitSteps(r); err != nil {
			return nil, err
		}
	}
	if r.Copies() {
		c.o.warn("each RUN step copies its whole root, as the file system of %s cannot hold an overlay (use --state DIR on another one)", c.s.dir)
	}
	return r, nil
}
