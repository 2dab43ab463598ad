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

// maxLinks is the maximum number of symbolic links to follow from a path, as in Linux.
const maxLinks = 40

// Target is the file to which an output path refers after resolving symbolic links.
type Target struct {
	Path string // path without symbolic links
	// InPlace is set for devices, pipes and files such as /dev/stdout. An output is
	// written to such a file and never replaces it.
	InPlace bool
}

// FindTarget resolves the symbolic links in the path of an output. The output need not
// exist. A loop of links is an error.
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

// isDescriptors reports whether dir lists the open files of a process, like /proc/1/fd.
func isDescriptors(dir string) bool {
	ok, err := regexp.MatchString(`^/proc/[0-9]+/(task/[0-9]+/)?fd$`, dir)
	return ok && err == nil
}

// Open opens a target for writing in place. Opening a pipe blocks until a process reads
// from it, or until ctx ends.
func (t Target) Open(ctx context.Context) (io.WriteCloser, error) {
	type openResult struct {
		f   *os.File
		err error
	}
	done := make(chan openResult)
	go func() {
		f, err := os.OpenFile(t.Path, os.O_WRONLY|os.O_APPEND, 0) // keeps what a shell has written to the file
		select {
		case done <- openResult{f, err}:
		case <-ctx.Done():
			_ = f.Close() // the reader came after the end of ctx
		}
	}()
	select {
	case o := <-done:
		return o.f, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// write opens the target t for writing in place and calls the function write with a
// writer for the open file.
func (t Target) write(ctx context.Context, write func(io.Writer) error) error {
	f, err := t.Open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(write(Writer(ctx, f)), f.Close())
}

// Write writes data to the named output file. It follows symbolic links. A regular file
// is written atomically, other files are written in place.
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

// Remove removes the named output file, if it exists. It follows symbolic links, and
// does not remove files that are written in place.
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
