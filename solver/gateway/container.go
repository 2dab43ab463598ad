package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/system"
	fstypes "github.com/tonistiigi/fsutil/types"
	"golang.org/x/sync/errgroup"

	"slipway/solver"
	"slipway/solver/runner"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// NewContainer implements [client.Client].
func (c *Client) NewContainer(ctx context.Context, req client.NewContainerRequest) (client.Container, error) {
	op := &pb.ExecOp{Meta: &pb.Meta{Hostname: req.Hostname, ExtraHosts: req.ExtraHosts}, Network: req.NetMode}
	for _, h := range req.ExtraHosts {
		if net.ParseIP(h.GetIP()) == nil {
			return nil, fmt.Errorf("failed to parse IP %s", h.GetIP())
		}
	}
	for i, m := range req.Mounts {
		if m.Dest == pb.RootMount && m.MountType != pb.MountType_BIND {
			return nil, fmt.Errorf("invalid mount type %s for %s", m.MountType, m.Dest)
		}
		op.Mounts = append(op.Mounts, &pb.Mount{
			Dest: m.Dest, Selector: m.Selector, Readonly: m.Readonly, MountType: m.MountType,
			CacheOpt: m.CacheOpt, SecretOpt: m.SecretOpt, SSHOpt: m.SSHOpt,
			Input: int64(i), Output: int64(i),
		})
	}
	if !slices.ContainsFunc(op.Mounts, func(m *pb.Mount) bool { return m.Dest == pb.RootMount }) {
		return nil, errors.New("root mount is required")
	}
	in := make([]*snapshot.Snapshot, len(req.Mounts))
	g, gctx := errgroup.WithContext(ctx)
	for i, m := range req.Mounts {
		g.Go(func() (err error) {
			in[i], err = c.mountSnapshot(gctx, m)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	box, err := c.opt.Build.OpenContainer(ctx, &pb.Op{Op: &pb.Op_Exec{Exec: op}}, in)
	if err != nil {
		return nil, err
	}
	return &container{box: box, op: op, store: c.opt.Store, path: system.DefaultPathEnv(req.Platform.GetOS())}, nil
}

// mountSnapshot returns the snapshot to which a mount refers, or nil for a mount without a
// snapshot, such as a cache mount.
func (c *Client) mountSnapshot(ctx context.Context, m client.Mount) (*snapshot.Snapshot, error) {
	switch {
	case m.Ref != nil:
		r, ok := m.Ref.(*Reference)
		if !ok {
			return nil, fmt.Errorf("unexpected Ref type: %T", m.Ref)
		}
		return r.snapshot(ctx)
	case m.ResultID != "":
		s, ok := c.lookupResult(m.ResultID)
		if !ok {
			return nil, fmt.Errorf("failed to find ref %s for %q mount", m.ResultID, m.Dest)
		}
		return s, nil
	}
	return nil, nil
}

// container implements [client.Container].
type container struct {
	box   *solver.Container
	op    *pb.ExecOp
	store *tree.Store
	path  string // PATH of processes whose environment has none

	mu       sync.Mutex
	firstErr error // error from the first process that failed
	waits    sync.WaitGroup
}

// Start implements [client.Container]. As in BuildKit, the error of a process that cannot
// be started is returned by its Wait method.
func (c *container) Start(ctx context.Context, req client.StartRequest) (client.ContainerProcess, error) {
	op := &pb.ExecOp{
		Meta:    &pb.Meta{Args: req.Args, Env: slices.Clone(req.Env), User: req.User, Cwd: cmp.Or(req.Cwd, "/"), ExtraHosts: c.op.Meta.ExtraHosts},
		Network: c.op.Network, Security: req.SecurityMode, Secretenv: req.SecretEnv,
	}
	if len(req.Args) == 0 {
		return nil, errors.New("the process has no arguments")
	}
	if req.Tty && !slices.ContainsFunc(req.Env, func(kv string) bool { return strings.HasPrefix(kv, "TERM=") }) {
		op.Meta.Env = append(op.Meta.Env, "TERM=xterm")
	}
	// Upstream: the platform of a container determines only the default PATH.
	if !slices.ContainsFunc(req.Env, func(kv string) bool { return strings.HasPrefix(kv, "PATH=") }) {
		op.Meta.Env = append(op.Meta.Env, "PATH="+c.path)
	}
	for _, s := range req.SecretEnv {
		if s.GetID() == "" {
			return nil, fmt.Errorf("secret ID missing for %q environment variable", s.GetName())
		}
	}
	x := &containerProcess{stdin: req.Stdin, writeErr: make(chan error, 1), done: make(chan struct{})}
	p, err := c.box.Process(ctx, op)
	if err == nil {
		p.Terminal = req.Tty
		// A missing stream must stay nil instead of being wrapped.
		if req.Stdin != nil {
			p.Stdin = req.Stdin
		}
		if req.Stdout != nil {
			p.Stdout = &output{x, req.Stdout}
		}
		if req.Stderr != nil {
			p.Stderr = &output{x, req.Stderr}
		}
		if x.run, err = c.box.Start(p); err != nil {
			err = unknownExit(err)
		}
	}
	c.waits.Go(func() {
		x.end(err)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.firstErr = cmp.Or(c.firstErr, x.err)
	})
	return x, nil
}

// Release implements [client.Container]. It returns the error from the first process that
// failed, even if Release killed the process.
func (c *container) Release(context.Context) error {
	err := c.box.Close()
	c.waits.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return cmp.Or(c.firstErr, err)
}

// containerProcess implements [client.ContainerProcess].
type containerProcess struct {
	run      runner.Running // nil if the process could not be started
	stdin    io.Closer
	writeErr chan error // error of writing its output
	done     chan struct{}
	err      error // valid after done is closed
}

// output forwards an output stream of a process to the client. If the client does not
// accept the data, the process is killed.
type output struct {
	p *containerProcess
	w io.Writer
}

// Write implements [io.Writer].
func (o *output) Write(data []byte) (int, error) {
	n, err := o.w.Write(data)
	if err != nil {
		select {
		case o.p.writeErr <- err:
		default: // only the first error is reported
		}
	}
	return n, err
}

// end waits for the process, if it was started, and records its error with BuildKit's
// error types. The parameter err is the error from starting the process, or nil.
func (p *containerProcess) end(err error) {
	defer close(p.done)
	if p.run != nil {
		err = p.wait()
	}
	if p.stdin != nil {
		_ = p.stdin.Close() // ends pending reads
	}
	var exit *runner.ExitError
	switch {
	case errors.As(err, &exit):
		err = &gwpb.ExitError{ExitCode: uint32(exit.Code)}
	case err != nil && p.run != nil:
		err = unknownExit(err)
	}
	p.err = err
}

// unknownExit returns an error with BuildKit's exit code for a process without an exit
// code, for example a process that could not be started.
func unknownExit(err error) error {
	return &gwpb.ExitError{ExitCode: gwpb.UnknownExitStatus, Err: err}
}

// wait waits for the process. If the output of the process cannot be sent to the client,
// wait kills the process.
func (p *containerProcess) wait() error {
	done := make(chan error, 1)
	go func() { done <- p.run.Wait() }()
	var err error
	select {
	case err = <-done:
	case writeErr := <-p.writeErr:
		_ = p.run.Signal(syscall.SIGKILL) // every runner supports SIGKILL
		<-done
		return writeErr
	}
	select {
	case writeErr := <-p.writeErr:
		return writeErr
	default:
		return err
	}
}

// Wait implements [client.ContainerProcess].
func (p *containerProcess) Wait() error {
	<-p.done
	return p.err
}

// Signal implements [client.ContainerProcess].
func (p *containerProcess) Signal(_ context.Context, sig syscall.Signal) error {
	if p.run == nil {
		return nil
	}
	return p.run.Signal(sig)
}

// Resize implements [client.ContainerProcess].
func (p *containerProcess) Resize(_ context.Context, size client.WinSize) error {
	if p.run == nil {
		return nil
	}
	return p.run.Resize(uint16(size.Rows), uint16(size.Cols))
}

// ReadFile implements [client.Container].
func (c *container) ReadFile(_ context.Context, req client.ReadContainerRequest) ([]byte, error) {
	n, err := c.find("open", req.Filename, req.MountIndex, false)
	if err != nil {
		return nil, err
	}
	return readRange(c.store, n, req.ReadRequest)
}

// StatFile implements [client.Container]. For a link that leads out of the mount, it
// describes the link itself.
func (c *container) StatFile(_ context.Context, req client.StatContainerRequest) (*fstypes.Stat, error) {
	n, err := c.find("stat", req.Path, req.MountIndex, true)
	if err != nil {
		return nil, err
	}
	return stat(base(req.Path), n), nil
}

// ReadDir implements [client.Container]. Upstream: BuildKit ignores the pattern in the
// request, too.
func (c *container) ReadDir(ctx context.Context, req client.ReadDirContainerRequest) ([]*fstypes.Stat, error) {
	n, err := c.find("open", req.Path, req.MountIndex, false)
	if err != nil {
		return nil, err
	}
	return readDir(ctx, n, client.ReadDirRequest{Path: req.Path})
}

// find returns the node at a path in a mount. It does not follow links that lead out of the
// mount, unlike processes in the container, which can follow links into other mounts.
func (c *container) find(op, name string, mount int, allowLink bool) (*tree.Node, error) {
	root, err := c.box.Tree(mount)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(name, "/") {
		return nil, fmt.Errorf("can't make %s relative to /", name)
	}
	return resolveWithin(root, op, name, allowLink)
}
