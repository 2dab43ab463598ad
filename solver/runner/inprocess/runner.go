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

// Runner implements [runner.Runner] and [runner.Opener] by calling a Go function, the
// field Exec, for each process. Safe for concurrent use if Exec is.
type Runner struct {
	Store *tree.Store
	Now   func() time.Time // modification time of written files
	// Exec executes p on f and returns its exit code. It returns an error instead if it
	// does not support something that p does.
	Exec func(ctx context.Context, f *Files, p *runner.Process) (int, error)
	// Signals makes processes support every signal: it cancels the context of Exec with
	// a [Signal] as the cause. If Signals is false, only SIGKILL is supported.
	Signals bool
	// CheckPath returns an error for a path that a kernel would provide but this runner
	// does not, such as /proc/cpuinfo, and nil for every other path. A process that
	// uses such a path fails, because a missing file would silently change its result.
	// If CheckPath is nil, every path may be used.
	CheckPath func(path string) error
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
	// Changes to cache mounts persist even if the process failed, as with other runners.
	out, err := c.f.take()
	if err != nil {
		return nil, err
	}
	err = c.f.saveDirs(ctx, out)
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

// open returns a container for a sandbox. When ctx is canceled, the processes of the
// container are canceled as well.
func (r *Runner) open(ctx context.Context, s *runner.Sandbox) (*container, error) {
	f, err := r.files(ctx, s)
	if err != nil {
		return nil, err
	}
	c := &container{r: r, f: f, parent: ctx}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	return c, nil
}

// container implements [runner.Container]. It consists of a file system and the
// processes that use this file system.
type container struct {
	r      *Runner
	f      *Files
	parent context.Context // context of the caller of Open
	ctx    context.Context // ends when the container is closed
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	first *running // the process whose end ends the container; nil until one is started
	all   sync.WaitGroup
}

// errFirst is the error from processes that are killed because the first process of
// their container has ended.
var errFirst = errors.New("the first process of the container has ended")

// Start implements [runner.Container]. It does not wait for the process to end.
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

// run executes a process and returns its result. If a signal ended the process, the
// exit code is 128 plus the signal number. A process that handles the signal chooses
// its own exit code.
func (c *container) run(ctx context.Context, p *runner.Process) error {
	code, err := c.r.Exec(ctx, c.f, p)
	c.f.Lock()
	if c.f.err != nil {
		err = c.f.err
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
	return c.f.saveDirs(c.parent, list)
}
