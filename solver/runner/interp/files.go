package interp

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"mvdan.cc/sh/v3/interp"

	"slipway/solver/runner/inprocess"
	"slipway/solver/tree"
)

// files is the file system of a process. Its commands may run concurrently.
type files struct {
	*inprocess.Files
	arch string

	commands   atomic.Uint32 // number of commands run
	goroutines int           // number of goroutines when the process started

	mu    sync.Mutex
	first error // see note
	// sources are rewritten scripts by name, until they are opened.
	sources map[string]string
}

// note records the first unsupported operation, because the interpreter continues after
// errors in pipes and substitutions.
func (f *files) note(err error) error {
	var status interp.ExitStatus
	var wrong *fs.PathError
	if err == nil || errors.As(err, &status) || errors.As(err, &wrong) {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.first = cmp.Or(f.first, err)
	return err
}

// noted returns the recorded error.
func (f *files) noted() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.first
}

// umask is the umask for new files.
const umask = 0o022

// fault returns an error about a path.
func fault(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

var (
	errIsDir  = errors.New("is a directory")
	errNotDir = errors.New("not a directory")
)

// read returns the content of a file.
func (f *files) read(name string) ([]byte, error) {
	if name == "/dev/null" {
		return nil, nil
	}
	return f.Read(name)
}

// handle is an open file. Its written content is stored on Close.
type handle struct {
	f     *files
	name  string
	in    *bytes.Reader
	out   bytes.Buffer
	write bool
}

// open opens a file like a shell redirection.
func (f *files) open(name string, flag int) (io.ReadWriteCloser, error) {
	if name == "/dev/null" {
		return &handle{in: bytes.NewReader(nil)}, nil
	}
	if text, ok := f.takeSource(name); ok {
		return &handle{in: bytes.NewReader([]byte(text))}, nil
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
	// Create the file now, so that other commands see it.
	return h, f.Write(name, h.out.Bytes())
}

// takeSource returns a rewritten script and removes it, because it is opened once.
func (f *files) takeSource(name string) (string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, ok := f.sources[name]
	delete(f.sources, name)
	return text, ok
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
	if h.out.Len()+len(p) > maxFile {
		return 0, h.f.note(unable("writes at most %d bytes to a file", maxFile))
	}
	return h.out.Write(p)
}

// Close implements [io.Closer].
func (h *handle) Close() error {
	if h.f == nil || !h.write {
		return nil
	}
	return h.f.Write(h.name, h.out.Bytes())
}

// info implements [fs.FileInfo] and [fs.DirEntry] for a node.
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
	f.Lock()
	defer f.Unlock()
	n, err := f.Find("stat", name, follow)
	if err != nil {
		return nil, err
	}
	return info{path.Base(name), n}, nil
}

func (f *files) readDir(name string) ([]fs.DirEntry, error) {
	if err := f.note(absent(path.Clean(name) + "/")); err != nil {
		return nil, err
	}
	f.Lock()
	defer f.Unlock()
	n, err := f.Find("open", name, true)
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
