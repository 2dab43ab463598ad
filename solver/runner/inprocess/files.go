package inprocess

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"slipway/solver/runner"
	"slipway/solver/tree"
)

// Files is the file system of processes: the trees of all mounts combined in one tree,
// so that paths and links cross mounts as they do in the kernel. The caller must hold
// the lock to use the editor and the methods that do not lock.
type Files struct {
	sync.Mutex
	*tree.Editor
	Store *tree.Store
	Now   func() time.Time

	mounts   []runner.Mount
	before   []*tree.Node // the root tree before each mount
	opened   []*tree.Node // initial tree of each mount
	readOnly []string     // paths of read-only mounts

	keepParents bool // of mount points
	absent      func(path string) error
	failed      error // the first error that makes the result of processes invalid
}

// umask is the umask for new files.
const umask = 0o022

// Errors about paths, with the texts of the kernel.
var (
	errReadOnly = errors.New("read-only file system")
	errIsDir    = errors.New("is a directory")
)

// fault returns an error about a path.
func fault(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

// files combines the trees of all mounts in one tree.
func (r *Runner) files(ctx context.Context, s *runner.Sandbox) (*Files, error) {
	root := s.Root()
	if root < 0 {
		return nil, errors.New("the process has no root")
	}
	f := &Files{Editor: tree.Edit(s.Mounts[root].Base()), Store: r.Store, Now: r.Now, absent: r.Absent, keepParents: s.KeepMountParents}
	f.opened = make([]*tree.Node, len(s.Mounts))
	f.mounts, f.before = slices.Clone(s.Mounts), make([]*tree.Node, len(s.Mounts))
	for i := range f.mounts {
		m := &f.mounts[i]
		f.before[i] = f.Tree()
		if m.Target == "/" {
			if m.ReadOnly {
				f.readOnly = append(f.readOnly, "")
			}
			continue
		}
		at, err := f.Resolve(m.Target, true)
		if err != nil {
			return nil, err
		}
		if m.Kind == runner.MountSocket && r.Sockets != nil {
			return nil, fmt.Errorf("mount %s: %w", m.Target, r.Sockets)
		}
		n, err := f.mounted(ctx, m, at)
		if err != nil {
			return nil, fmt.Errorf("mount %s: %w", m.Target, err)
		}
		f.opened[i] = n
		if _, err := f.MkdirAll(path.Dir("/"+at), f.Meta(0o755)); err != nil {
			return nil, err
		}
		if err := f.Put(at, n); err != nil {
			return nil, err
		}
		if m.ReadOnly || m.Kind == runner.MountFile {
			f.readOnly = append(f.readOnly, at)
		}
		m.Target = "/" + at
	}
	if err := f.systemDirs(); err != nil {
		return nil, err
	}
	f.Touch(f.Now) // after the mounts, which do not change times
	return f, nil
}

// systemDirs creates the directories on which a kernel would mount its file systems.
// They are part of the result of every process.
func (f *Files) systemDirs() error {
	if slices.Contains(f.readOnly, "") {
		return nil
	}
	for _, name := range []string{"proc", "dev", "sys"} {
		if _, _, there := f.Stat(name); there {
			continue
		}
		if _, err := f.MkdirAll(name, f.Meta(0o755)); err != nil {
			return err
		}
	}
	return nil
}

// mounted returns the node that a mount shows at a path of the root. A socket is
// represented by an empty file.
func (f *Files) mounted(ctx context.Context, m *runner.Mount, at string) (*tree.Node, error) {
	switch m.Kind {
	case runner.MountTree:
		_, n, err := m.Resolve(m.Base())
		return n, err
	case runner.MountTmpfs:
		mode := uint32(0o1777)
		if kind, old, ok := f.Stat(at); ok && kind == tree.Dir {
			mode = old.Mode // Upstream: same as runc
		}
		return tree.NewDir(f.Meta(mode), nil)
	case runner.MountFile, runner.MountSocket:
		b, err := f.Store.PutBytes(m.Data)
		meta := f.Meta(m.Mode)
		meta.UID, meta.GID = m.UID, m.GID
		return tree.NewFile(meta, b), err
	case runner.MountDir:
		return f.openDir(ctx, m)
	}
	return nil, fmt.Errorf("unknown kind %d", m.Kind)
}

// take splits the tree into the trees of the mounts, in reverse order of mounting. The
// files stay unchanged. take acquires the lock.
func (f *Files) take() ([]*tree.Node, error) {
	f.Lock()
	defer f.Unlock()
	e := tree.Edit(f.Tree())
	out := make([]*tree.Node, len(f.mounts))
	for i := len(f.mounts) - 1; i >= 0; i-- {
		m := &f.mounts[i]
		n := e.Get(m.Target)
		if m.Target == "/" {
			out[i] = n
			continue
		}
		if n == nil {
			return nil, fmt.Errorf("the process removed %s, where something is mounted", m.Target)
		}
		if err := ungraft(e, strings.TrimPrefix(m.Target, "/"), f.before[i], f.keepParents); err != nil {
			return nil, err
		}
		if m.Kind == runner.MountTree {
			whole := tree.Edit(m.Base())
			if err := whole.Put(m.Source, n); err != nil {
				return nil, err
			}
			n = whole.Tree()
		}
		out[i] = n
	}
	return out, nil
}

// ungraft restores the node at the path of a mount point. It removes directories that
// were created only for the mount. If keep is set, it removes only the last one.
func ungraft(e *tree.Editor, at string, before *tree.Node, keep bool) error {
	if old := before.Get(at); old != nil {
		return e.Put(at, old)
	}
	for name := at; name != "." && before.Get(name) == nil; name = path.Dir(name) {
		if name != at && (keep || len(e.Names(name)) > 0) {
			break
		}
		if err := e.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

// Meta returns the metadata of a new file that belongs to root.
func (f *Files) Meta(mode uint32) tree.Meta { return tree.Meta{Mode: mode, ModTime: f.Now().UTC()} }

// look records that a process accessed a path.
func (f *Files) look(at string) {
	if f.failed == nil && f.absent != nil {
		f.failed = f.absent("/" + at)
	}
}

// Writable resolves a path that is about to be changed. It returns an error if the path
// is read-only.
func (f *Files) Writable(name string, last bool) (string, error) {
	at, err := f.Resolve(name, last)
	if err != nil {
		return "", err
	}
	f.look(at)
	for _, ro := range f.readOnly {
		if ro == "" || at == ro || strings.HasPrefix(at, ro+"/") {
			return "", fault("write", name, errReadOnly)
		}
	}
	return at, nil
}

// Find returns the node at a path, or an error if it does not exist.
func (f *Files) Find(op, name string, last bool) (*tree.Node, error) {
	at, err := f.Resolve(name, last)
	if err != nil {
		return nil, err
	}
	f.look(at)
	n := f.Get(at)
	if n == nil {
		return nil, fault(op, name, fs.ErrNotExist)
	}
	return n, nil
}

// Read returns the content of a file. It acquires the lock.
func (f *Files) Read(name string) ([]byte, error) {
	f.Lock()
	defer f.Unlock()
	n, err := f.Find("open", name, true)
	if err != nil {
		return nil, err
	}
	if n.Kind() == tree.Dir {
		return nil, fault("read", name, errIsDir)
	}
	if n.Kind() != tree.File {
		return nil, fmt.Errorf("cannot read %s, a %s", name, n.Kind())
	}
	r, err := f.Store.Open(n.Blob())
	if err != nil {
		f.failed = cmp.Or(f.failed, err) // even if the process handles the error
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// Write creates a file or replaces its content. An existing file keeps its mode and
// owner. Write acquires the lock.
func (f *Files) Write(name string, data []byte) error {
	f.Lock()
	defer f.Unlock()
	at, err := f.Writable(name, true)
	if err != nil {
		return err
	}
	m, put := f.Meta(0o666&^umask), f.Put
	if kind, old, there := f.Stat(at); there {
		if kind == tree.Dir {
			return fault("open", name, errIsDir)
		}
		m.Mode, m.UID, m.GID = old.Mode, old.UID, old.GID
		put = f.Update
	} else if kind, _, _ := f.Stat(path.Dir("/" + at)); kind != tree.Dir {
		return fault("open", name, fs.ErrNotExist)
	}
	b, err := f.Store.PutBytes(data)
	if err != nil {
		return err
	}
	return put(at, tree.NewFile(m, b))
}
