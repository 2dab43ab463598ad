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
	run  runner.Runner
	err  error
}

// Run implements [runner.Runner]. The first step says how steps run.
func (c *chosenRunner) Run(ctx context.Context, p *runner.Process) ([]*tree.Node, error) {
	c.once.Do(func() {
		var how string
		c.run, how, c.err = c.s.runner(context.WithoutCancel(ctx), c.o)
		if c.err == nil {
			_, c.err = io.WriteString(p.Stderr, how+"\n")
		}
	})
	if c.err != nil {
		return nil, c.err
	}
	return c.run.Run(ctx, p)
}

// runner chooses how processes run, and says it in one line.
func (s *state) runner(ctx context.Context, o *Options) (run runner.Runner, how string, err error) {
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
