package solver

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/runner"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// Container is a running container, in which a frontend starts processes through
// BuildKit's gateway API. Safe for concurrent use.
type Container struct {
	x      *execRun
	c      runner.Container
	cancel context.CancelCauseFunc
	closed chan struct{}
	err    error // valid after closed is closed
}

// OpenContainer starts a container with the mounts, network mode, extra hosts and platform of
// the exec operation op. The mounts of op refer to inputs by index. The container exists until
// Close is called, or until ctx or the context of the job ends.
func (j *Job) OpenContainer(ctx context.Context, op *pb.Op, inputs []*snapshot.Snapshot) (*Container, error) {
	opener, ok := j.opt.Runner.(runner.Opener)
	if !ok {
		return nil, errors.New("the runner of this build does not support containers started by a frontend")
	}
	x := newExecRun(&execOp{opEnv: opEnv{j.env, &Vertex{Op: op}}, op: op.GetExec()}, inputs)
	// Close cancels ctx, so that the goroutine below closes the container. The runner gets
	// the outer context, which is still valid then: it needs it to save the mounts.
	whole, end := context.WithCancelCause(ctx)
	ctx, cancel := context.WithCancelCause(whole)
	c := &Container{x: x, cancel: cancel, closed: make(chan struct{})}
	err := x.mounts(ctx)
	if err == nil {
		c.c, err = opener.Open(whole, &x.p.Sandbox)
	}
	if err != nil {
		end(err)
		x.release()
		return nil, err
	}
	j.work.group.Go(func() {
		select {
		case <-ctx.Done():
		case <-j.work.ctx.Done():
			end(context.Cause(j.work.ctx))
		}
		defer close(c.closed)
		defer end(nil)
		defer x.release()
		c.err = c.c.Close()
	})
	return c, nil
}

// Process returns a process for the container, with the arguments, environment, user and
// secrets of the exec operation op. The process sees the mounts of the container, because
// Process ignores the mounts of op. The caller must set the standard streams before it calls
// Start.
func (c *Container) Process(ctx context.Context, op *pb.ExecOp) (*runner.Process, error) {
	o := &execOp{opEnv: c.x.opEnv, op: op}
	if err := o.checkPermissions(); err != nil {
		return nil, err
	}
	p := o.process()
	p.Sandbox = c.x.p.Sandbox
	x := &execRun{execOp: o, p: p}
	return p, x.secrets(ctx)
}

// Start starts the process p in the container. It does not wait for the process to end.
func (c *Container) Start(p *runner.Process) (runner.Running, error) { return c.c.Start(p) }

// Tree returns the current files of a mount. The parameter mount is an index into the
// mounts of the operation that [Job.OpenContainer] was called with.
func (c *Container) Tree(mount int) (*tree.Node, error) {
	mounts := c.x.op.Mounts
	if mount < 0 || mount >= len(mounts) {
		return nil, fmt.Errorf("mount index %d is out of bounds (%d available)", mount, len(mounts))
	}
	i := slices.Index(c.x.sources, mounts[mount])
	if i < 0 {
		return nil, fmt.Errorf("mount %s is optional and not there", mounts[mount].Dest)
	}
	return c.c.Tree(i)
}

// Close ends all processes of the container, waits for them and unlocks its cache mounts.
func (c *Container) Close() error {
	c.cancel(context.Canceled)
	<-c.closed
	return c.err
}
