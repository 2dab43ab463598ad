package chroot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"slipway/solver/runner"
	"slipway/solver/runner/launch"
	"slipway/solver/tree"
)

// Runner implements [runner.Runner]. Safe for concurrent use.
type Runner struct {
	store  *tree.Store
	dir    string      // contains a directory for each running step
	accept []Isolation // isolation that steps may lack
}

var (
	_ runner.Opener = (*Runner)(nil)
	_ runner.Keyed  = (*Runner)(nil)
)

// New returns a runner that writes the roots of steps to the directory dir. Steps may request
// the kinds of isolation in accept, and run without them. If the privileges of this process do
// not suffice, the error is that of [Available].
func New(dir string, store *tree.Store, accept []Isolation) (*Runner, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	r := &Runner{store: store, dir: filepath.Join(dir, "run"), accept: accept}
	return r, os.MkdirAll(r.dir, 0o700)
}

// CacheKey implements [runner.Keyed]. Steps can have other results than in a container, because
// they see no processes in /proc.
func (*Runner) CacheKey(context.Context) (string, error) { return "chroot 1", nil }

// Open implements [runner.Opener].
func (*Runner) Open(context.Context, *runner.Sandbox) (runner.Container, error) {
	return nil, errors.New("the chroot runner cannot run the containers of a frontend (use --runner namespace)")
}

// check returns an error if p needs something that the runner does not provide and the user
// does not accept to be missing.
func (r *Runner) check(p *runner.Process) error {
	if p.Root() < 0 {
		return errors.New("the process has no root")
	}
	if err := launch.CheckPlatform(p.Platform); err != nil {
		return err
	}
	for _, c := range []struct {
		kind      Isolation
		requested bool
		problem   string
	}{
		{Network, p.Network == runner.NetworkNone, "cannot run a step without network"},
		{Hostname, p.Hostname != "", fmt.Sprintf("cannot set the host name %q", p.Hostname)},
		{Limits, p.Resources != runner.Resources{}, "cannot limit the resources of a step"},
	} {
		if c.requested && !slices.Contains(r.accept, c.kind) {
			return fmt.Errorf("the chroot runner %s (use --runner namespace, or accept it with --unisolated %s)", c.problem, c.kind)
		}
	}
	switch {
	case p.Terminal:
		return errors.New("the chroot runner has no terminals (use --runner namespace)")
	case len(p.Devices) > 0:
		return fmt.Errorf("the chroot runner does not provide the device %s (use --runner namespace)", p.Devices[0].Path)
	}
	return checkCaches(p.Mounts)
}

// Run implements [runner.Runner].
func (r *Runner) Run(ctx context.Context, p *runner.Process) (_ []*tree.Node, err error) {
	if err := r.check(p); err != nil {
		return nil, err
	}
	s := &step{r: r, p: p, ctx: ctx}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.start(); err != nil {
		return nil, err
	}
	if err := s.prepare(); err != nil {
		return nil, s.explain(err)
	}
	ended := s.super.run(ctx, s.init)
	out, err := s.finish()
	var exit *runner.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.As(ended, &exit) && err == nil:
		exit.Trees = out
	}
	if err = errors.Join(ended, err); err != nil {
		return nil, s.explain(err)
	}
	for i := range out {
		if !p.Mounts[i].Output {
			out[i] = nil
		}
	}
	return out, nil
}

// minFree is the number of free bytes below which a file system counts as full.
const minFree = 64 << 10

// explain returns err, the error of a step. It adds ENOSPC if the file system of the root is
// full, because programs rarely report that.
func (s *step) explain(err error) error {
	var st unix.Statfs_t
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	if !errors.Is(err, unix.ENOSPC) && unix.Statfs(s.r.dir, &st) == nil && st.Bavail*uint64(st.Bsize) < minFree {
		return fmt.Errorf("%w: %s: %w", err, s.r.dir, unix.ENOSPC)
	}
	return err
}

// close removes the files of the step. The supervisor ends afterwards, because it removes the files
// if the builder is killed meanwhile.
func (s *step) close() error {
	for _, stop := range s.stop {
		stop()
	}
	if s.mark != nil {
		s.mark.Close()
	}
	var err error
	for _, pl := range s.places {
		if pl.cache != nil { // the process has not started
			err = errors.Join(err, pl.cache.restore(pl.parent))
		}
		err = errors.Join(err, pl.parent.Close())
	}
	if s.work != "" {
		err = errors.Join(err, tree.RemoveAll(s.work))
	}
	if s.super != nil {
		err = errors.Join(err, s.super.close())
	}
	closeAll(s.locks)
	return err
}

// ignoreMissing returns err, or nil if err says that a file does not exist.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
