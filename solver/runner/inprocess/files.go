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

// Files is the file system that the processes of a container share. It combines the
// trees of all mounts in one tree, so that paths and links cross mounts as they do in
// the kernel. The caller must lock Files before it uses the embedded editor or calls a
// method, except for methods that acquire the lock themselves.
type Files struct {
	sync.Mutex
	*tree.Editor
	Store *tree.Store
	Now   func() time.Time

	mounts   []runner.Mount
	before   []*tree.Node // the root tree before each mount
	initial  []*tree.Node // tree of each mount before the first process
	readOnly []string     // paths of read-only mounts

	keepParents bool                    // see runner.Sandbox.KeepMountParents
	checkPath   func(path string) error // see Runner.CheckPath
	err         error                   // the first error that makes the result of processes invalid
}

// umask is the file mode creation mask of processes.
const umask = 0o022

// These errors have the texts of the system call errors EROFS and EISDIR.
var (
	errReadOnly = errors.New("read-only file system")
	errIsDir    = errors.New("is a directory")
)

// pathError returns err as an [*fs.PathError] with the failed operation and the path of
// the file.
func pathError(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

// files returns the file system for a sandbox, with all mounts and system directories.
func (r *Runner) files(ctx context.Context, s *runner.Sandbox) (*Files, error) {
	root := s.Root()
	if root < 0 {
		return nil, errors.New("the process has no root")
	}
	f := &Files{Editor: tree.Edit(s.Mounts[root].Base()), Store: r.Store, Now: r.Now, checkPath: r.CheckPath, keepParents: s.KeepMountParents}
	f.initial = make([]*tree.Node, len(s.Mounts))
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
		n, err := f.mountedNode(ctx, m, at)
		if err != nil {
			return nil, fmt.Errorf("mount %s: %w", m.Target, err)
		}
		f.initial[i] = n
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

// systemDirs creates /proc, /dev and /sys in a writable root. In the runners that use
// kernel mounts, these directories are mount points, so every RUN step adds them to its
// result.
func (f *Files) systemDirs() error {
	if slices.Contains(f.readOnly, "") {
		return nil
	}
	for _, name := range []string{"proc", "dev", "sys"} {
		kind, _, err := f.Stat(name)
		if err != nil {
			return err
		}
		if kind != 0 {
			continue
		}
		if _, err := f.MkdirAll(name, f.Meta(0o755)); err != nil {
			return err
		}
	}
	return nil
}

// mountedNode returns the file or directory that is visible at the mount point of m.
// The parameter at is the path of the mount point in the root. For a socket mount, the
// result is an empty file.
func (f *Files) mountedNode(ctx context.Context, m *runner.Mount, at string) (*tree.Node, error) {
	switch m.Kind {
	case runner.MountTree:
		_, n, err := m.Resolve(m.Base())
		return n, err
	case runner.MountTmpfs:
		mode := uint32(0o1777)
		kind, old, err := f.Stat(at)
		if err != nil {
			return nil, err
		}
		if kind == tree.Dir {
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

// take returns the current trees of all mounts, in the order of the sandbox's mounts.
// To separate the trees, it removes the mounts from a copy of the file system, last one
// first. Processes may continue to use the original. take acquires the lock.
func (f *Files) take() ([]*tree.Node, error) {
	f.Lock()
	defer f.Unlock()
	e := tree.Edit(f.Tree())
	out := make([]*tree.Node, len(f.mounts))
	for i := len(f.mounts) - 1; i >= 0; i-- {
		m := &f.mounts[i]
		n, err := e.Get(m.Target)
		if err != nil {
			return nil, err
		}
		if m.Target == "/" {
			out[i] = n
			continue
		}
		if n == nil {
			return nil, fmt.Errorf("the process removed %s, where something is mounted", m.Target)
		}
		if err := unmount(e, strings.TrimPrefix(m.Target, "/"), f.before[i], f.keepParents); err != nil {
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

// unmount removes a mount from the tree that the editor e contains. The parameter at is
// the path of the mount point, and original is the tree before the mount. If original
// contains this path, unmount restores its node. If original does not contain the path,
// unmount removes the mount point, and also the empty parents of the mount point that
// original does not contain, unless keepParents is set.
func unmount(e *tree.Editor, at string, original *tree.Node, keepParents bool) error {
	old, err := original.Get(at)
	if err != nil {
		return err
	}
	if old != nil {
		return e.Put(at, old)
	}
	for name := at; name != "."; name = path.Dir(name) {
		old, err := original.Get(name)
		if err != nil {
			return err
		}
		names, err := e.Names(name)
		if err != nil {
			return err
		}
		if old != nil || name != at && (keepParents || len(names) > 0) {
			break
		}
		if err := e.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

// Meta returns the metadata for a new file with the given mode. The file belongs to
// root and has the current time.
func (f *Files) Meta(mode uint32) tree.Meta { return tree.Meta{Mode: mode, ModTime: f.Now().UTC()} }

// recordAccess calls [Runner].CheckPath for a path that a process uses. It stores the
// first error, which makes the step fail.
func (f *Files) recordAccess(at string) {
	if f.err == nil && f.checkPath != nil {
		f.err = f.checkPath("/" + at)
	}
}

// ResolveWritable resolves a path that the caller is about to change. If last is set,
// it also follows a symbolic link in the last component. The error for a path in a
// read-only mount has the text of EROFS.
func (f *Files) ResolveWritable(name string, last bool) (string, error) {
	at, err := f.Resolve(name, last)
	if err != nil {
		return "", err
	}
	f.recordAccess(at)
	for _, ro := range f.readOnly {
		if ro == "" || at == ro || strings.HasPrefix(at, ro+"/") {
			return "", pathError("write", name, errReadOnly)
		}
	}
	return at, nil
}

// Find returns the node at a path. If last is set, it also follows a symbolic link in
// the last component. If the path does not exist, the error is a [*fs.PathError] that
// contains the parameter op as its operation and wraps [fs.ErrNotExist].
func (f *Files) Find(op, name string, last bool) (*tree.Node, error) {
	at, err := f.Resolve(name, last)
	if err != nil {
		return nil, err
	}
	f.recordAccess(at)
	n, err := f.Get(at)
	if err != nil {
		return nil, err
	}
	if n == nil {
		return nil, pathError(op, name, fs.ErrNotExist)
	}
	return n, nil
}

// Read returns the content of a regular file. It follows symbolic links in name, the
// path of the file. Read acquires the lock.
func (f *Files) Read(name string) ([]byte, error) {
	f.Lock()
	defer f.Unlock()
	n, err := f.Find("open", name, true)
	if err != nil {
		return nil, err
	}
	if n.Kind() == tree.Dir {
		return nil, pathError("read", name, errIsDir)
	}
	if n.Kind() != tree.File {
		return nil, fmt.Errorf("cannot read %s, a %s", name, n.Kind())
	}
	r, err := f.Store.Open(n.Blob())
	if err != nil {
		f.err = cmp.Or(f.err, err) // even if the process handles the error
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// Write creates a regular file or replaces its content. The parent directory must
// exist. An existing file keeps its mode and owner. Write acquires the lock.
func (f *Files) Write(name string, data []byte) error {
	f.Lock()
	defer f.Unlock()
	at, err := f.ResolveWritable(name, true)
	if err != nil {
		return err
	}
	kind, old, err := f.Stat(at)
	if err != nil {
		return err
	}
	dir, _, err := f.Stat(path.Dir("/" + at))
	if err != nil {
		return err
	}
	m, put := f.Meta(0o666&^umask), f.Put
	switch {
	case kind == tree.Dir:
		return pathError("open", name, errIsDir)
	case kind != 0:
		m.Mode, m.UID, m.GID = old.Mode, old.UID, old.GID
		put = f.Update
	case dir != tree.Dir:
		return pathError("open", name, fs.ErrNotExist)
	}
	b, err := f.Store.PutBytes(data)
	if err != nil {
		return err
	}
	return put(at, tree.NewFile(m, b))
}
