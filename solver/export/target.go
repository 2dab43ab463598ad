package export

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

// maxLinks is the maximum number of symbolic links that lead to a file, as in Linux.
const maxLinks = 40

// Target is the file that a destination resolves to.
type Target struct {
	Path string // without symbolic links
	// InPlace is set for devices, pipes and open files of a process, such as /dev/stdout.
	// They are written to, and never replaced.
	InPlace bool
}

// FindTarget resolves the symbolic links of a destination. The destination need not
// exist.
func FindTarget(name string) (Target, error) {
	for range maxLinks {
		dir, base := filepath.Split(strings.TrimRight(name, string(filepath.Separator)))
		if dir == "" {
			dir = "."
		}
		dir, err := filepath.EvalSymlinks(dir) // not cleaned, because ".." after a link is the parent of its target
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return Target{Path: name}, nil
		case err != nil:
			return Target{}, err
		}
		name = filepath.Join(dir, base)
		info, err := os.Lstat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return Target{Path: name}, nil
		case err != nil:
			return Target{}, err
		case info.Mode()&fs.ModeSymlink == 0:
			return Target{name, !info.Mode().IsRegular() && !info.IsDir()}, nil
		case isDescriptors(dir):
			return Target{name, true}, nil
		}
		to, err := os.Readlink(name)
		if err != nil {
			return Target{}, err
		}
		if !filepath.IsAbs(to) {
			to = dir + string(filepath.Separator) + to
		}
		name = to
	}
	return Target{}, &fs.PathError{Op: "open", Path: name, Err: syscall.ELOOP}
}

// isDescriptors reports whether a directory lists the open files of a process.
func isDescriptors(dir string) bool {
	ok, err := regexp.MatchString(`^/proc/[0-9]+/(task/[0-9]+/)?fd$`, dir)
	return ok && err == nil
}

// Open opens a target that is written in place. Opening a pipe blocks until a process
// reads from it. If ctx ends first, Open returns an error.
func (t Target) Open(ctx context.Context) (io.WriteCloser, error) {
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened)
	go func() {
		f, err := os.OpenFile(t.Path, os.O_WRONLY|os.O_APPEND, 0) // keep text that a shell has written there
		select {
		case done <- opened{f, err}:
		case <-ctx.Done():
			_ = f.Close() // a reader came too late
		}
	}()
	select {
	case o := <-done:
		return o.f, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// write writes to a target in place.
func (t Target) write(ctx context.Context, write func(io.Writer) error) error {
	f, err := t.Open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(write(Writer(ctx, f)), f.Close())
}

// Write writes data to a destination of the user. A regular file is written atomically.
// Other targets are written in place.
func Write(ctx context.Context, name string, data []byte) error {
	t, err := FindTarget(name)
	if err != nil {
		return err
	}
	write := func(w io.Writer) error { _, err := w.Write(data); return err }
	if t.InPlace {
		return t.write(ctx, write)
	}
	return WriteFile(t.Path, write)
}

// Remove removes the file that a destination resolves to, if it exists. It does not
// remove targets that are written in place.
func Remove(name string) error {
	t, err := FindTarget(name)
	if err != nil || t.InPlace {
		return err
	}
	if err := os.Remove(t.Path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
