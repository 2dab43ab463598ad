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

// Container is an environment for processes that a frontend starts through the gateway.
// Safe for concurrent use.
type Container struct {
	x      *execRun
	c      runner.Container
	cancel context.CancelCauseFunc
	closed chan struct{}
	err    error // valid after closed is closed
}

// OpenContainer returns a container with the mounts, the network, the hosts and the
// platform of an exec operation. Mounts refer to their inputs by index in in. The
// container exists until it is closed, or until ctx or the job ends.
func (j *Job) OpenContainer(ctx context.Context, op *pb.Op, in []*snapshot.Snapshot) (*Container, error) {
	opener, ok := j.opt.Runner.(runner.Opener)
	if !ok {
		return nil, errors.New("the runner of this build has no containers that a frontend starts itself")
	}
	x := newExecRun(&execOp{opEnv: opEnv{j.env, &Vertex{Op: op}}, op: op.GetExec()}, in)
	// Close cancels the inner context only. The runner needs the outer one to save the
	// mounts.
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

// Process returns the process that op describes: its arguments, its user and its secrets.
// The caller sets its standard streams.
func (c *Container) Process(ctx context.Context, op *pb.ExecOp) (*runner.Process, error) {
	o := &execOp{opEnv: c.x.opEnv, op: op}
	if err := o.allowed(); err != nil {
		return nil, err
	}
	p := o.process()
	p.Sandbox = c.x.p.Sandbox
	x := &execRun{execOp: o, p: p}
	return p, x.secrets(ctx)
}

// Start starts a process.
func (c *Container) Start(p *runner.Process) (runner.Running, error) { return c.c.Start(p) }

// Tree returns the current content of a mount, by its index in the operation.
func (c *Container) Tree(mount int) (*tree.Node, error) {
	mounts := c.x.op.Mounts
	if mount < 0 || mount >= len(mounts) {
		return nil, fmt.Errorf("mount index %d is out of bounds (%d available)", mount, len(mounts))
	}
	i := slices.Index(c.x.from, mounts[mount])
	if i < 0 {
		return nil, fmt.Errorf("mount %s is optional and not there", mounts[mount].Dest)
	}
	return c.c.Tree(i)
}

// Close ends the processes and waits for them.
func (c *Container) Close() error {
	c.cancel(context.Canceled)
	<-c.closed
	return c.err
}
