package namespace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"slipway/solver/runner"
	"slipway/solver/tree"
)

// Runner is a [runner.Runner].
type Runner struct {
	store    *tree.Store
	dir      string
	oneOwner bool // files can belong to root only
}

// New returns a runner that keeps what it needs in a directory: layers as
// overlays have them, and what processes write.
func New(dir string, store *tree.Store) (*Runner, error) {
	for _, d := range []string{"layers", "run"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return nil, err
		}
	}
	return &Runner{store: store, dir: dir, oneOwner: oneID()}, nil
}

// Run implements [runner.Runner].
func (r *Runner) Run(ctx context.Context, p *runner.Process) ([]*tree.Node, error) {
	if p.Root() < 0 {
		return nil, errors.New("the process has no root")
	}
	work, err := os.MkdirTemp(filepath.Join(r.dir, "run"), "")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	c := &container{r: r, p: p, work: work, root: p.Mounts[p.Root()].Tree}
	defer func() {
		for _, stop := range c.stop {
			stop()
		}
	}()
	if err := c.prepare(ctx); err != nil {
		return nil, err
	}
	code, err := c.start(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.Exit(code); err != nil {
		return nil, err
	}
	return c.outputs()
}

// container is a process that is prepared and run.
type container struct {
	r    *Runner
	p    *runner.Process
	work string
	root *tree.Node
	conf config
	stub map[string]bool // paths of the root that are there for mounts only
	stop []func()        // what ends with the process
}

// prepare makes what the process sees, and describes it for the init process.
func (c *container) prepare(ctx context.Context) error {
	id, err := c.user()
	if err != nil {
		return err
	}
	c.stub = map[string]bool{}
	c.conf = config{
		Args: c.p.Args, Env: c.p.Env, Dir: c.p.Dir, ids: id,
		Hostname: c.p.Hostname, Insecure: c.p.Insecure, Loopback: c.p.Network == runner.NetworkNone,
		Root: filepath.Join(c.work, "root"), ReadOnly: c.p.Mounts[c.p.Root()].ReadOnly,
	}
	if c.conf.Hostname == "" {
		c.conf.Hostname = "buildkitsandbox"
	}
	for _, u := range c.p.Ulimits {
		c.conf.Limits = append(c.conf.Limits, limit{u.Name, u.Soft, u.Hard})
	}
	if err := os.Mkdir(c.conf.Root, 0o755); err != nil {
		return err
	}
	for i := range c.p.Mounts {
		if err := ctx.Err(); err != nil {
			return err
		}
		m, err := c.mount(i)
		if err != nil {
			return fmt.Errorf("mount %s: %w", c.p.Mounts[i].Target, err)
		}
		if c.p.Mounts[i].Target == "/" {
			c.conf.Mounts = append([]mount{m}, c.conf.Mounts...)
			continue
		}
		c.conf.Mounts = append(c.conf.Mounts, m)
	}
	if err := c.network(); err != nil {
		return err
	}
	return c.stubs()
}

// mount prepares the i-th mount.
func (c *container) mount(i int) (mount, error) {
	m := &c.p.Mounts[i]
	out := mount{Target: m.Target, ReadOnly: m.ReadOnly}
	dir := filepath.Join(c.work, strconv.Itoa(i))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return out, err
	}
	switch m.Kind {
	case runner.MountTree:
		return c.overlay(m, dir, out)
	case runner.MountDir:
		out.Bind = filepath.Join(m.HostPath, filepath.FromSlash(m.Source))
	case runner.MountSocket:
		out.Bind, out.File = filepath.Join(dir, "socket"), true
		stop, err := forward(out.Bind, m)
		if err != nil {
			return out, err
		}
		c.stop = append(c.stop, stop)
	case runner.MountFile:
		out.Bind, out.File, out.ReadOnly = filepath.Join(dir, "file"), true, true
		if err := os.WriteFile(out.Bind, m.Data, 0o600); err != nil {
			return out, err
		}
		return out, errors.Join(os.Chown(out.Bind, int(m.UID), int(m.GID)), os.Chmod(out.Bind, tree.FileMode(m.Mode)))
	case runner.MountTmpfs:
		out.Tmpfs, out.Size = true, m.Size
	default:
		return out, fmt.Errorf("unknown kind %d", m.Kind)
	}
	return out, nil
}

// overlay prepares a tree: its layers below, and an upper directory for what the
// process changes.
func (c *container) overlay(m *runner.Mount, dir string, out mount) (mount, error) {
	lower, err := c.r.lowers(m)
	if err != nil {
		return out, err
	}
	at, err := m.Tree.Resolve(m.Source, true)
	if err != nil {
		return out, err
	}
	src := m.Tree.Get(at)
	if src == nil {
		return out, fmt.Errorf("%s does not exist in what is mounted", m.Source)
	}
	out.Lower, out.Source, out.File = lower, at, src.Kind() != tree.Dir
	out.Upper, out.Work, out.Merged = filepath.Join(dir, "upper"), filepath.Join(dir, "work"), filepath.Join(dir, "merged")
	for _, d := range []string{out.Upper, out.Work, out.Merged} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return out, err
		}
	}
	// The root of an overlay looks as its upper directory does.
	meta := m.Tree.Meta()
	err = os.Chmod(out.Upper, tree.FileMode(meta.Mode))
	if !c.r.oneOwner {
		err = errors.Join(err, os.Chown(out.Upper, int(meta.UID), int(meta.GID)))
	}
	return out, err
}

// outputs reads what the process changed.
func (c *container) outputs() ([]*tree.Node, error) {
	out := make([]*tree.Node, len(c.p.Mounts))
	for i := range c.p.Mounts {
		m := &c.p.Mounts[i]
		if !m.Output {
			continue
		}
		if m.Kind != runner.MountTree || m.ReadOnly {
			out[i] = m.Tree
			continue
		}
		stub := c.stub
		if m.Target != "/" {
			stub = nil
		}
		n, err := c.r.changed(m.Tree, filepath.Join(c.work, strconv.Itoa(i), "upper"), stub)
		if err != nil {
			return nil, fmt.Errorf("read what the process changed: %w", err)
		}
		out[i] = n
	}
	return out, nil
}
