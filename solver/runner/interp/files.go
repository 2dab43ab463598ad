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

// files is the file system of a process, with the state that all its shells share. Safe
// for concurrent use, because a shell runs the commands of a pipe concurrently.
type files struct {
	*inprocess.Files
	arch string // architecture of the step's platform, such as amd64

	commands   atomic.Uint32 // number of commands so far
	goroutines int           // number of goroutines when the process started

	mu    sync.Mutex
	first error // see recordError
	// sources contains the rewritten texts of sourced scripts by the name that replaces
	// their path. An entry is deleted when the interpreter opens it.
	sources map[string]string
}

// recordError records the first error about an unsupported operation and returns err.
// It ignores exit codes and errors about paths. Recording is necessary because the
// interpreter continues after errors in pipes and command substitutions, but the step
// must fail.
func (f *files) recordError(err error) error {
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

// recordedError returns the error about the first unsupported operation, or nil.
func (f *files) recordedError() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.first
}

// umask is the file mode creation mask of commands.
const umask = 0o022

// pathError returns err as an [*fs.PathError] with the failed operation and the path of
// the file.
func pathError(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

var (
	errIsDir  = errors.New("is a directory")
	errNotDir = errors.New("not a directory")
)

// read returns the content of a file. /dev/null is empty.
func (f *files) read(name string) ([]byte, error) {
	if name == "/dev/null" {
		return nil, nil
	}
	return f.Read(name)
}

// handle is a file that the interpreter has opened. Close stores the written content in
// the file tree.
type handle struct {
	f     *files // nil for /dev/null and sourced scripts
	name  string
	in    *bytes.Reader
	out   bytes.Buffer
	write bool
}

// open opens a file for the interpreter: the target of a redirection or a sourced
// script. The parameter flag contains flags of [os.OpenFile], such as [os.O_CREATE].
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

// takeSource returns the rewritten text of a sourced script and removes it from the
// stored texts, because the interpreter opens the script only once. The parameter name
// is the replacement for the path of the script, see rewriteSourced. If no text is
// stored for name, takeSource returns false.
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
		return 0, pathError("write", h.name, fs.ErrPermission)
	}
	if h.out.Len()+len(p) > maxFile {
		return 0, h.f.recordError(unsupportedf("allows at most %d bytes per file", maxFile))
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

// info implements [fs.FileInfo] and [fs.DirEntry] for a node of a file tree.
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

// stat returns information about a file. If follow is set, it follows a symbolic link
// in the last component.
func (f *files) stat(name string, follow bool) (fs.FileInfo, error) {
	f.Lock()
	defer f.Unlock()
	n, err := f.Find("stat", name, follow)
	if err != nil {
		return nil, err
	}
	return info{path.Base(name), n}, nil
}

// readDir returns the entries of a directory in lexical order.
func (f *files) readDir(name string) ([]fs.DirEntry, error) {
	if err := f.recordError(checkPath(path.Clean(name) + "/")); err != nil {
		return nil, err
	}
	f.Lock()
	defer f.Unlock()
	n, err := f.Find("open", name, true)
	if err != nil {
		return nil, err
	}
	if n.Kind() != tree.Dir {
		return nil, pathError("readdir", name, errNotDir)
	}
	var list []fs.DirEntry
	entries, err := n.Entries()
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		list = append(list, info{e.Name, e.Node})
	}
	return list, nil
}
