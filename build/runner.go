package build

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"sync"

	"slipway/solver/runner"
	"slipway/solver/runner/namespace"
	"slipway/solver/runner/shell"
	"slipway/solver/tree"
)

// chosenRunner is a [runner.Runner] that chooses how processes run when there
// is one to run: to find out what the machine allows takes as long as a quarter
// of a build with nothing to do.
type chosenRunner struct {
	s *state
	o *Options

	once sync.Once
	run  runner.Opener
	err  error
}

var _ runner.Opener = (*chosenRunner)(nil)

// Run implements [runner.Runner]. The first step says how steps run.
func (c *chosenRunner) Run(ctx context.Context, p *runner.Process) ([]*tree.Node, error) {
	if err := c.choose(ctx, p.Stderr); err != nil {
		return nil, err
	}
	return c.run.Run(ctx, p)
}

// Open implements [runner.Opener].
func (c *chosenRunner) Open(ctx context.Context, s *runner.Sandbox) (runner.Container, error) {
	if err := c.choose(ctx, io.Discard); err != nil {
		return nil, err
	}
	return c.run.Open(ctx, s)
}

func (c *chosenRunner) choose(ctx context.Context, say io.Writer) error {
	c.once.Do(func() {
		var how string
		c.run, how, c.err = c.s.runner(context.WithoutCancel(ctx), c.o)
		if c.err == nil {
			_, c.err = io.WriteString(say, how+"\n")
		}
	})
	return c.err
}

// runner chooses how processes run, and says it in one line.
func (s *state) runner(ctx context.Context, o *Options) (run runner.Opener, how string, err error) {
	portable := shell.New(s.store, o.Now)
	if o.Runner == "portable" {
		return portable, "steps are interpreted", nil
	}
	err = namespace.Available(ctx)
	switch {
	case err == nil:
		run, err = namespace.New(filepath.Join(s.dir, "namespace"), s.store)
		return run, "steps run in namespaces", err
	case o.Runner == "namespace":
		return nil, "", err
	}
	return portable, fmt.Sprintf("steps are interpreted, as they cannot run in namespaces: %v", err), nil
}
