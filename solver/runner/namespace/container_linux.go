package namespace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"slipway/solver/runner"
	"slipway/solver/runner/cgroup"
	"slipway/solver/tree"
)

// container is what processes share. The first one makes the namespaces, those
// after it join them.
type container struct {
	r      *Runner
	box    *runner.Sandbox
	ctx    context.Context // of the processes
	cancel context.CancelCauseFunc
	work   string
	root   *tree.Node // before anything ran
	conf   config     // of the first process, but for what is its own
	stub   map[string]bool
	stop   []func() // what ends with the container
	shared bool     // other processes may join the first one

	groups   *cgroup.Group // of the processes
	filtered bool          // the groups filter devices

	mu     sync.Mutex
	first  *process   // nil before it is started
	spaces []*os.File // the namespaces of the first process
	closed bool
	joined int            // processes that were started
	spec   *specs.Spec    // of the first process, if a runtime runs it
	all    sync.WaitGroup // processes
	kept   []*written     // to be layers when the container is closed

	overlays []uint64 // numbers of devices
	held     bool     // another step holds a file of them, see isHeld
}

// prepare makes what the processes see, and describes it for the init process.
func (c *container) prepare() error {
	c.stub = map[string]bool{}
	c.conf = config{
		Hostname: c.box.Hostname, Filtered: c.filtered, Loopback: c.box.Network == runner.NetworkNone,
		Root: filepath.Join(c.work, "root"), Private: filepath.Join(c.work, "private"), ReadOnly: c.box.Mounts[c.box.Root()].ReadOnly,
	}
	if c.conf.Hostname == "" {
		c.conf.Hostname = "buildkitsandbox"
	}
	if err := errors.Join(os.Mkdir(c.conf.Root, 0o755), os.Mkdir(c.conf.Private, 0o700)); err != nil {
		return err
	}
	for i := range c.box.Mounts {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		m, err := c.mount(i)
		if err != nil {
			return fmt.Errorf("mount %s: %w", c.box.Mounts[i].Target, err)
		}
		if c.box.Mounts[i].Target == "/" {
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
	m := &c.box.Mounts[i]
	out := mount{Target: m.Target, ReadOnly: m.ReadOnly}
	dir := filepath.Join(c.work, strconv.Itoa(i))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return out, err
	}
	switch m.Kind {
	case runner.MountTree:
		return c.overlay(m, dir, out)
	case runner.MountDir:
		out.Bind, out.Source = m.HostPath, m.Source
		var err error
		out.File, err = isFile(m)
		return out, err
	case runner.MountSocket:
		out.Bind, out.File = filepath.Join(dir, "socket"), true
		stop, err := listen(c.ctx, out.Bind, m)
		if err != nil {
			return out, err
		}
		c.stop = append(c.stop, stop)
	case runner.MountFile:
		out.Secret = &secret{Data: m.Data, UID: int(m.UID), GID: int(m.GID), Mode: m.Mode}
		out.File, out.ReadOnly, out.Data = true, true, true
	case runner.MountTmpfs:
		out.Tmpfs, out.Size = true, m.Size
	default:
		return out, fmt.Errorf("unknown kind %d", m.Kind)
	}
	return out, nil
}

// isFile reports whether a mount shows a file of a directory of the host.
func isFile(m *runner.Mount) (bool, error) {
	f, err := openIn(m.HostPath, m.Source)
	if errors.Is(err, fs.ErrNotExist) {
		return false, &runner.SourceError{Source: m.Source}
	}
	if err != nil {
		return false, err
	}
	info, err := f.Stat()
	return err == nil && !info.IsDir(), errors.Join(err, f.Close())
}

// overlay prepares a tree: its layers below, and an upper directory for what the
// processes change, or a copy of all of it.
func (c *container) overlay(m *runner.Mount, dir string, out mount) (mount, error) {
	at, src, err := m.Resolve(m.Tree)
	if err != nil {
		return out, err
	}
	out.Source, out.File = at, src.Kind() != tree.Dir
	if c.r.copies {
		out.Bind = filepath.Join(dir, "copy")
		return out, c.r.copy(c.ctx, m, out.Bind)
	}
	if out.Lower, err = c.r.lowers(c.ctx, m); err != nil {
		return out, err
	}
	out.Upper, out.Work, out.Merged = filepath.Join(dir, "upper"), filepath.Join(dir, "work"), filepath.Join(dir, "merged")
	for _, d := range []string{out.Upper, out.Work, out.Merged} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return out, err
		}
	}
	// The root of an overlay looks as its upper directory does.
	meta := m.Base().Meta()
	err = os.Chmod(out.Upper, tree.FileMode(meta.Mode))
	if !c.r.oneOwner {
		err = errors.Join(err, os.Chown(out.Upper, int(meta.UID), int(meta.GID)))
	}
	if err != nil {
		return out, err
	}
	// The time of dir is when the upper directory was made, see changed.
	info, err := os.Stat(out.Upper)
	if err != nil {
		return out, err
	}
	return out, os.Chtimes(dir, info.ModTime(), info.ModTime())
}

// trees reads some of the mounts as the processes left them, to be kept if they
// are results.
func (c *container) trees(results bool, of func(*runner.Mount) bool) ([]*tree.Node, error) {
	out := make([]*tree.Node, len(c.box.Mounts))
	for i := range c.box.Mounts {
		if !of(&c.box.Mounts[i]) {
			continue
		}
		var err error
		if out[i], err = c.read(i, results); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Tree implements [runner.Container].
func (c *container) Tree(i int) (*tree.Node, error) { return c.read(i, false) }

// read returns a file system. If nothing will change it any more, what was
// written is kept.
func (c *container) read(i int, last bool) (*tree.Node, error) {
	m := &c.box.Mounts[i]
	switch m.Kind {
	case runner.MountTree:
	case runner.MountDir:
		return tree.HostReader{Store: c.r.store}.ReadDir(c.ctx, m.HostPath)
	case runner.MountFile, runner.MountSocket, runner.MountTmpfs:
		fallthrough
	default:
		return nil, fmt.Errorf("mount %s is no file tree", m.Target)
	}
	if m.ReadOnly {
		return m.Tree, nil
	}
	stub := c.stub
	if m.Target != "/" {
		stub = nil
	}
	dir, changed := "upper", c.r.changed
	if c.r.copies {
		dir, changed = "copy", c.r.changedCopy
	}
	dir = filepath.Join(c.work, strconv.Itoa(i), dir)
	w, err := changed(c.ctx, m.Tree, dir, stub)
	for again := 0; again < 9 && errors.Is(err, fs.ErrNotExist); again++ {
		w, err = changed(c.ctx, m.Tree, dir, stub) // a process removed what was being read
	}
	if err != nil {
		return nil, fmt.Errorf("read what the process changed: %w", err)
	}
	if last && !c.r.copies && !c.held {
		c.kept = append(c.kept, w)
	}
	return w.out, nil
}

// Close implements [runner.Container].
func (c *container) Close() error {
	c.cancel(nil) // who starts a process has the lock, and gives up
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.all.Wait()
	for _, stop := range c.stop {
		stop()
	}
	c.closeSpaces()
	var err error
	if c.groups != nil {
		err = c.groups.Remove()
	}
	for _, w := range c.kept {
		err = errors.Join(err, c.r.keep(w))
	}
	return errors.Join(err, tree.RemoveAll(c.work))
}
