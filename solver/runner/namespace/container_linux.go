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
	"slipway/solver/runner/socket"
	"slipway/solver/tree"
)

// container implements [runner.Container]. Its first process creates the namespaces,
// and later processes join them.
type container struct {
	r      *Runner
	box    *runner.Sandbox
	outer  context.Context // context of the caller, which does not end when the container is closed
	ctx    context.Context // context of the processes
	cancel context.CancelCauseFunc
	work   string          // directory of the container, removed by Close
	root   *tree.Node      // tree of the root before the first process
	conf   config          // configuration common to all processes
	stub   map[string]bool // see stubs
	stop   []func()        // called when the container is closed
	link   connector       // connects the network namespace of the container; "" if it needs none
	shared bool            // other processes may join the first one

	groups   *cgroup.Group // control groups of the processes
	filtered bool          // the groups filter devices

	mu        sync.Mutex
	first     *process   // nil until the first process has been started
	spaces    []*os.File // see openSpaces
	closed    bool
	processes int             // number of processes so far, if a runtime starts them
	spec      *specs.Spec     // spec of the first process, if a runtime starts it
	all       sync.WaitGroup  // counts running processes
	uppers    []*upperDir     // upper directories that become layers when the container is closed
	copies    map[int]*copied // by index of the mount, if the runner copies trees

	overlays []uint64 // device numbers of the container's overlays
	inUse    bool     // see isInUse
}

// prepare sets c.conf, the configuration that all processes of the container share, and
// creates what the mounts need on the host.
func (c *container) prepare() error {
	c.stub, c.copies = map[string]bool{}, map[int]*copied{}
	c.conf = config{
		Hostname: c.box.Hostname, Filtered: c.filtered, Loopback: c.box.Network == runner.NetworkNone,
		Root: filepath.Join(c.work, "root"), Private: filepath.Join(c.work, "private"), ReadOnly: c.box.Mounts[c.box.Root()].ReadOnly,
		Devices: c.box.Devices,
	}
	if c.box.Network == runner.NetworkDefault && c.r.runtime == "" {
		c.link = c.r.connect()
		c.conf.Loopback = c.link != ""
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

// mount prepares the mount with the index i in the sandbox, for example by creating the
// directories of an overlay on the host. It returns the description of the mount for the init
// process.
func (c *container) mount(i int) (mount, error) {
	m := &c.box.Mounts[i]
	out := mount{Target: m.Target, ReadOnly: m.ReadOnly}
	dir := filepath.Join(c.work, strconv.Itoa(i))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return out, err
	}
	switch m.Kind {
	case runner.MountTree:
		return c.overlay(i, dir, out)
	case runner.MountDir:
		out.Bind, out.Source = m.HostPath, m.Source
		var err error
		out.File, err = isFile(m)
		return out, err
	case runner.MountSocket:
		out.Bind, out.File = filepath.Join(dir, "socket"), true
		stop, err := socket.Listen(c.ctx, out.Bind, m)
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

// isFile reports whether the source of m is anything other than a directory. The source is the
// path m.Source in the host directory m.HostPath.
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

// overlay prepares the mount with the index i in the sandbox, whose source is a file tree. It uses the new directory dir for
// the directories of an overlay or, if the runner copies trees, for a copy of the tree. The
// parameter out describes the mount for the init process. The result is a copy of out with the
// paths of the directories.
func (c *container) overlay(i int, dir string, out mount) (mount, error) {
	m := &c.box.Mounts[i]
	at, src, err := m.Resolve(m.Tree)
	if err != nil {
		return out, err
	}
	out.Source, out.File = at, src.Kind() != tree.Dir
	if c.r.copies {
		out.Bind = filepath.Join(dir, "copy")
		copied, err := c.r.copy(c.ctx, m, out.Bind)
		if err == nil {
			c.copies[i] = copied
		}
		return out, err
	}
	if out.Lower, err = c.r.lowerDirs(c.ctx, m); err != nil {
		return out, err
	}
	out.Upper, out.Work, out.Merged = filepath.Join(dir, "upper"), filepath.Join(dir, "work"), filepath.Join(dir, "merged")
	for _, d := range []string{out.Upper, out.Work, out.Merged} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return out, err
		}
	}
	// The root of an overlay has the metadata of its upper directory.
	meta := m.Base().Meta()
	err = os.Chmod(out.Upper, tree.FileMode(meta.Mode))
	if !c.r.oneOwner {
		err = errors.Join(err, os.Chown(out.Upper, int(meta.UID), int(meta.GID)))
	}
	if err != nil {
		return out, err
	}
	// The time of dir records when the upper directory was created, see readUpper.
	info, err := os.Stat(out.Upper)
	if err != nil {
		return out, err
	}
	return out, os.Chtimes(dir, info.ModTime(), info.ModTime())
}

// trees returns the current trees of the mounts for which the function selected returns true.
// The result has one element per mount of the sandbox, which is nil for other mounts. If
// results is set, the upper directories may later become layers. Set it only if all processes
// have ended.
func (c *container) trees(results bool, selected func(*runner.Mount) bool) ([]*tree.Node, error) {
	out := make([]*tree.Node, len(c.box.Mounts))
	for i := range c.box.Mounts {
		if !selected(&c.box.Mounts[i]) {
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

// read returns the current tree of the mount with the index i in the sandbox. If
// results is set, the upper directory of the mount may later become a layer. Set it
// only if all processes have ended.
func (c *container) read(i int, results bool) (*tree.Node, error) {
	m := &c.box.Mounts[i]
	switch m.Kind {
	case runner.MountTree:
	case runner.MountDir:
		return tree.HostReader{Store: c.r.store}.ReadDir(c.ctx, m.HostPath)
	case runner.MountFile, runner.MountSocket, runner.MountTmpfs:
		fallthrough
	default:
		return nil, fmt.Errorf("mount %s is not a file tree", m.Target)
	}
	if m.ReadOnly {
		return m.Tree, nil
	}
	stub := c.stub
	if m.Target != "/" {
		stub = nil
	}
	isLayer := results && !c.r.copies && !c.inUse
	dir := filepath.Join(c.work, strconv.Itoa(i))
	read := func() (*upperDir, error) {
		switch {
		case c.r.copies:
			return c.r.readCopy(c.ctx, m.Tree, c.copies[i], filepath.Join(dir, "copy"), stub)
		case isLayer: // saveLayer stores the content
			return c.r.readUpper(c.ctx, m.Tree, filepath.Join(dir, "upper"), stub, nil)
		}
		return c.r.readUpper(c.ctx, m.Tree, filepath.Join(dir, "upper"), stub, c.r.store)
	}
	w, err := read()
	for again := 0; again < 9 && errors.Is(err, fs.ErrNotExist); again++ {
		w, err = read() // a process removed a file during the read
	}
	if err != nil {
		return nil, fmt.Errorf("read the changes of the process: %w", err)
	}
	if isLayer {
		c.uppers = append(c.uppers, w)
	}
	return w.out, nil
}

// Close implements [runner.Container].
func (c *container) Close() error {
	c.cancel(nil) // a process being started holds the lock, and is canceled
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.all.Wait()
	for _, stop := range c.stop {
		stop()
	}
	c.closeSpaces()
	for _, copied := range c.copies {
		copied.mark.Close()
	}
	var err error
	if c.groups != nil {
		err = c.groups.Remove()
	}
	for _, w := range c.uppers {
		err = errors.Join(err, c.r.saveLayer(c.outer, w))
	}
	return errors.Join(err, tree.RemoveAll(c.work))
}
