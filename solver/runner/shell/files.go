package shell

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"slipway/solver/tree"
)

// files is the file system of a process. Its commands may run side by side.
type files struct {
	mu       sync.Mutex
	e        *tree.Editor
	store    *tree.Store
	now      func() time.Time
	readOnly []string // paths of mounts
}

// umask is what new files may not allow.
const umask = 0o022

func (f *files) meta(mode uint32) tree.Meta { return tree.Meta{Mode: mode, ModTime: f.now().UTC()} }

// fault is an error about a path.
func fault(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

var (
	errReadOnly = errors.New("read-only file system")
	errIsDir    = errors.New("is a directory")
	errNotDir   = errors.New("not a directory")
)

// writable resolves a path that is to be changed.
func (f *files) writable(name string, last bool) (string, error) {
	at, err := f.e.Resolve(name, last)
	if err != nil {
		return "", err
	}
	for _, ro := range f.readOnly {
		if ro == "" || at == ro || strings.HasPrefix(at, ro+"/") {
			return "", fault("write", name, errReadOnly)
		}
	}
	return at, nil
}

// get returns the node at a path; an error if there is none.
func (f *files) get(op, name string, last bool) (*tree.Node, error) {
	at, err := f.e.Resolve(name, last)
	if err != nil {
		return nil, err
	}
	n := f.e.Get(at)
	if n == nil {
		return nil, fault(op, name, fs.ErrNotExist)
	}
	return n, nil
}

// read returns the content of a file.
func (f *files) read(name string) ([]byte, error) {
	if name == "/dev/null" {
		return nil, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.get("open", name, true)
	if err != nil {
		return nil, err
	}
	if n.Kind() == tree.Dir {
		return nil, fault("read", name, errIsDir)
	}
	if n.Kind() != tree.File {
		return nil, unable("cannot read %s, a %s", name, n.Kind())
	}
	r, err := f.store.Open(n.Blob())
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// write makes a file or changes its content, and keeps the mode of one that is
// there.
func (f *files) write(name string, data []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, err := f.writable(name, true)
	if err != nil {
		return err
	}
	m := f.meta(0o666 &^ umask)
	if kind, old, there := f.e.Stat(at); there {
		if kind == tree.Dir {
			return fault("open", name, errIsDir)
		}
		m.Mode, m.UID, m.GID = old.Mode, old.UID, old.GID
	} else if kind, _, _ := f.e.Stat(path.Dir("/" + at)); kind != tree.Dir {
		return fault("open", name, fs.ErrNotExist)
	}
	b, err := f.store.PutBytes(data)
	if err != nil {
		return err
	}
	return f.e.Put(at, tree.NewFile(m, b))
}

// handle is an open file. What is written is there when it is closed.
type handle struct {
	f     *files
	name  string
	in    *bytes.Reader
	out   bytes.Buffer
	write bool
}

// open opens a file as a shell's redirection does.
func (f *files) open(name string, flag int) (io.ReadWriteCloser, error) {
	if name == "/dev/null" {
		return &handle{in: bytes.NewReader(nil)}, nil
	}
	h := &handle{f: f, name: name, in: bytes.NewReader(nil), write: flag&(os.O_WRONLY|os.O_RDWR) != 0}
	data, err := f.read(name)
	switch {
	case !h.write && err != nil:
		return nil, err
	case !h.write:
		h.in = bytes.NewReader(data)
		return h, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	case err != nil && flag&os.O_CREATE == 0:
		return nil, err
	}
	if flag&os.O_TRUNC == 0 {
		h.out.Write(data)
	}
	// It is there from now on, as others see.
	return h, f.write(name, h.out.Bytes())
}

// Read implements [io.Reader].
func (h *handle) Read(p []byte) (int, error) { return h.in.Read(p) }

// Write implements [io.Writer].
func (h *handle) Write(p []byte) (int, error) {
	if h.f == nil {
		return len(p), nil
	}
	if !h.write {
		return 0, fault("write", h.name, fs.ErrPermission)
	}
	return h.out.Write(p)
}

// Close implements [io.Closer].
func (h *handle) Close() error {
	if h.f == nil || !h.write {
		return nil
	}
	return h.f.write(h.name, h.out.Bytes())
}

// info is a node as [fs.FileInfo] and [fs.DirEntry].
type info struct {
	name string
	node *tree.Node
}

// Name implements [fs.FileInfo].
func (i info) Name() string { return i.name }

// Size implements [fs.FileInfo].
func (i info) Size() int64 { return i.node.Blob().Size }

// Mode implements [fs.FileInfo].
func (i info) Mode() fs.FileMode { return tree.FileMode(i.node.Meta().Mode) | i.Type() }

// ModTime implements [fs.FileInfo].
func (i info) ModTime() time.Time { return i.node.Meta().ModTime }

// IsDir implements [fs.FileInfo].
func (i info) IsDir() bool { return i.node.Kind() == tree.Dir }

// Sys implements [fs.FileInfo].
func (i info) Sys() any { return nil }

// Info implements [fs.DirEntry].
func (i info) Info() (fs.FileInfo, error) { return i, nil }

// Type implements [fs.DirEntry].
func (i info) Type() fs.FileMode { return i.node.Kind().FileMode() }

func (f *files) stat(name string, follow bool) (fs.FileInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.get("stat", name, follow)
	if err != nil {
		return nil, err
	}
	return info{path.Base(name), n}, nil
}

func (f *files) readDir(name string) ([]fs.DirEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.get("open", name, true)
	if err != nil {
		return nil, err
	}
	if n.Kind() != tree.Dir {
		return nil, fault("readdir", name, errNotDir)
	}
	var list []fs.DirEntry
	for _, e := range n.Entries() {
		list = append(list, info{e.Name, e.Node})
	}
	return list, nil
}
