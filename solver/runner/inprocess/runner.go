package inprocess

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"syscall"
	"time"

	"slipway/solver/runner"
	"slipway/solver/tree"
)

// Runner implements [runner.Runner] and [runner.Opener].
type Runner struct {
	Store *tree.Store
	Now   func() time.Time // time of written files
	// Exec runs a process. It returns the exit code, or an error if it does not support
	// an operation of the process.
	Exec func(ctx context.Context, f *Files, p *runner.Process) (int, error)
	// Signals makes every signal end the context of a process, with a [Signal] as its
	// cause. If Signals is unset, only KILL is supported.
	Signals bool
	// Absent returns an error for a path that exists with a kernel but not with this
	// runner, and nil for other paths. A process that accesses such a path fails,
	// because a missing file would change the result. If Absent is nil, there are no
	// such paths.
	Absent func(path string) error
	// Sockets is the error for socket mounts. If it is nil, sockets are empty files.
	Sockets error
}

var _ runner.Opener = (*Runner)(nil)

// Run implements [runner.Runner].
func (r *Runner) Run(ctx context.Context, p *runner.Process) ([]*tree.Node, error) {
	c, err := r.open(ctx, &p.Sandbox)
	if err != nil {
		return nil, err
	}
	defer c.cancel(context.Canceled)
	x, err := c.Start(p)
	if err != nil {
		return nil, err
	}
	failed := x.Wait()
	var exit *runner.ExitError
	if failed != nil && !errors.As(failed, &exit) {
		return nil, failed
	}
	// A failed process keeps its changes to cache mounts, like in other runners.
	out, err := c.f.take()
	if err != nil {
		return nil, err
	}
	err = c.f.saveCaches(ctx, out)
	if exit != nil {
		exit.Trees = out
	}
	if err != nil || failed != nil {
		return nil, cmp.Or(err, failed)
	}
	for i := range out {
		if !p.Mounts[i].Output {
			out[i] = nil
		}
	}
	return out, nil
}

// Open implements [runner.Opener].
func (r *Runner) Open(ctx context.Context, s *runner.Sandbox) (runner.Container, error) {
	c, err := r.open(ctx, s)
	if err != nil {
		return nil, err // a nil *container would be a non-nil interface
	}
	return c, nil
}

func (r *Runner) open(ctx context.Context, s *runner.Sandbox) (*container, error) {
	f, err := r.files(ctx, s)
	if err != nil {
		return nil, err
	}
	c := &container{r: r, f: f, parent: ctx}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	return c, nil
}

// container is a file system shared by processes.
type container struct {
	r      *Runner
	f      *Files
	parent context.Context // context of the caller of Open
	ctx    context.Context // ends when the container is closed
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	first *running // nil until it is started
	all   sync.WaitGroup
}

// errFirst is the error of the other processes when the first one ends.
var errFirst = errors.New("the first process of the container has ended")

// Start implements [runner.Container].
func (c *container) Start(p *runner.Process) (runner.Running, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return nil, context.Cause(c.ctx)
	}
	ctx, cancel := context.WithCancelCause(c.ctx)
	x := &running{cancel: cancel, any: c.r.Signals, ended: make(chan struct{})}
	first := c.first == nil
	if first {
		c.first = x
	}
	c.all.Go(func() {
		defer close(x.ended)
		defer cancel(nil)
		x.err = c.run(ctx, p)
		if first {
			c.cancel(errFirst)
		}
	})
	return x, nil
}

// run runs a process to its end. A process that a signal ended gets the corresponding
// exit code, unless it chose one itself.
func (c *container) run(ctx context.Context, p *runner.Process) error {
	code, err := c.r.Exec(ctx, c.f, p)
	c.f.Lock()
	if c.f.failed != nil {
		err = c.f.failed
	}
	c.f.Unlock()
	var sig Signal
	switch {
	case ctx.Err() == nil:
	case !errors.As(context.Cause(ctx), &sig):
		return context.Cause(ctx)
	case err != nil || sig == Signal(syscall.SIGKILL):
		code, err = 128+int(sig), nil
	}
	if err != nil {
		return err
	}
	return p.Exit(code)
}

// Tree implements [runner.Container].
func (c *container) Tree(i int) (*tree.Node, error) {
	list, err := c.f.take()
	if err != nil {
		return nil, err
	}
	return list[i], nil
}

// Close implements [runner.Container].
func (c *container) Close() error {
	c.mu.Lock()
	c.cancel(context.Canceled)
	c.mu.Unlock()
	c.all.Wait()
	list, err := c.f.take()
	if err != nil {
		return err
	}
	return c.f.saveCaches(c.parent, list)
}
