package shell

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"slipway/solver/runner"
	"slipway/solver/tree"
)

// Runner is a [runner.Runner].
type Runner struct {
	Store *tree.Store
	Now   func() time.Time // when files are written
}

// Run implements [runner.Runner].
func (r *Runner) Run(ctx context.Context, p *runner.Process) ([]*tree.Node, error) {
	if p.Root() < 0 {
		return nil, errors.New("the process has no root")
	}
	if u := strings.SplitN(p.User, ":", 2)[0]; u != "" && u != "root" && u != "0" {
		return nil, unable("runs as root only, not as %s", p.User)
	}
	f := &files{e: tree.Edit(p.Mounts[p.Root()].Tree), store: r.Store, now: r.Now}
	before, err := f.graft(p)
	if err != nil {
		return nil, err
	}
	code, err := (&process{Process: p, files: f}).run(ctx)
	if err != nil {
		return nil, err
	}
	// A process that fails leaves what it wrote to caches, as everywhere.
	out, err := f.take(p, before)
	if err != nil {
		return nil, err
	}
	if err := p.Exit(code); err != nil {
		return nil, err
	}
	return out, nil
}

// unable is the error of what this runner cannot do.
func unable(format string, args ...any) error {
	return fmt.Errorf("the portable runner "+format+"; on Linux with namespaces there is a runner for all", args...)
}

// graft puts the trees of all mounts into the one of the root, so that paths and
// links lead from one to the other as they do for a process. It returns the root
// as it was at each step.
func (f *files) graft(p *runner.Process) (before []*tree.Node, err error) {
	before = make([]*tree.Node, len(p.Mounts))
	for i := range p.Mounts {
		m := &p.Mounts[i]
		before[i] = f.e.Tree()
		if m.Target == "/" {
			if m.ReadOnly {
				f.readOnly = append(f.readOnly, "")
			}
			continue
		}
		at, err := f.e.Resolve(m.Target, true)
		if err != nil {
			return nil, err
		}
		n, err := f.mounted(m)
		if err != nil {
			return nil, fmt.Errorf("mount %s: %w", m.Target, err)
		}
		if _, err := f.e.MkdirAll(path.Dir("/"+at), f.meta(0o755)); err != nil {
			return nil, err
		}
		if err := f.e.Put(at, n); err != nil {
			return nil, err
		}
		if m.ReadOnly || m.Kind == runner.MountFile {
			f.readOnly = append(f.readOnly, at)
		}
		m.Target = "/" + at
	}
	return before, nil
}

func (f *files) mounted(m *runner.Mount) (*tree.Node, error) {
	switch m.Kind {
	case runner.MountTree:
		at, err := m.Tree.Resolve(m.Source, true)
		if err != nil {
			return nil, err
		}
		n := m.Tree.Get(at)
		if n == nil {
			return nil, fmt.Errorf("%s does not exist in what is mounted", m.Source)
		}
		return n, nil
	case runner.MountTmpfs:
		return tree.NewDir(f.meta(0o1777), nil)
	case runner.MountFile:
		b, err := f.store.PutBytes(m.Data)
		meta := f.meta(m.Mode)
		meta.UID, meta.GID = m.UID, m.GID
		return tree.NewFile(meta, b), err
	case runner.MountDir:
		return tree.HostReader{Store: f.store, Meta: func(h tree.HostFile) tree.Meta {
			h.Meta.UID, h.Meta.GID = 0, 0 // they belong to who builds
			return h.Meta
		}}.ReadDir(m.HostPath)
	}
	return nil, unable("cannot connect processes to an SSH agent")
}

// take takes the trees apart again, the last one first, and writes caches back.
func (f *files) take(p *runner.Process, before []*tree.Node) ([]*tree.Node, error) {
	out := make([]*tree.Node, len(p.Mounts))
	for i := len(p.Mounts) - 1; i >= 0; i-- {
		m := &p.Mounts[i]
		n := f.e.Get(m.Target)
		if m.Target == "/" {
			out[i] = n
			continue
		}
		if err := f.ungraft(strings.TrimPrefix(m.Target, "/"), before[i]); err != nil {
			return nil, err
		}
		switch {
		case m.Kind == runner.MountDir && !m.ReadOnly:
			if err := f.save(m.HostPath, n); err != nil {
				return nil, err
			}
		case m.Kind == runner.MountTree && m.Output:
			whole := tree.Edit(m.Tree)
			if err := whole.Put(m.Source, n); err != nil {
				return nil, err
			}
			out[i] = whole.Tree()
		}
	}
	for i := range out {
		if !p.Mounts[i].Output {
			out[i] = nil
		}
	}
	return out, nil
}

// ungraft puts back what was at a path, and removes the directories that were
// only made to mount something there.
func (f *files) ungraft(at string, before *tree.Node) error {
	if old := before.Get(at); old != nil {
		return f.e.Put(at, old)
	}
	for name := at; name != "." && before.Get(name) == nil; name = path.Dir(name) {
		if name != at && len(f.e.Names(name)) > 0 {
			break
		}
		if err := f.e.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

// save writes a cache back.
func (f *files) save(dir string, n *tree.Node) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, d := range list {
		if err := os.RemoveAll(dir + "/" + d.Name()); err != nil {
			return err
		}
	}
	return tree.WriteDir(dir, n, f.store, tree.HostOptions{})
}
