package export

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"slipway/solver/tree"
)

// tempPrefix begins the names of what is half-written.
const tempPrefix = ".slipway-"

// WriteFile writes a file whole or not at all.
func WriteFile(name string, write func(io.Writer) error) error {
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, tempPrefix)
	if err != nil {
		return err
	}
	return finish(tmp, name, write)
}

// finish fills a new file and moves it to its place, or removes it.
func finish(tmp *os.File, name string, write func(io.Writer) error) error {
	err := errors.Join(write(tmp), tmp.Chmod(0o644), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}

// Unfinished returns what [WriteFile] left in a directory when it was killed.
func Unfinished(dir string) []string {
	list, _ := fs.Glob(os.DirFS(dir), tempPrefix+"*") // the pattern is none that fails
	for i, name := range list {
		list[i] = filepath.Join(dir, name)
	}
	return list
}

// Outputs writes results to where users want them. It keeps a note of what is
// half-written, so that it can be removed after this process was killed.
type Outputs struct {
	Notes string // directory
	// Refused is told the paths of devices that the user may not make, and that
	// are left out of a directory. Nil leaves out all devices and pipes.
	Refused func(name string)
} // directory of the notes; "" keeps none

// Note makes a name in a directory and notes it. done ends the note.
func (o Outputs) Note(dir string) (temp string, done func(), err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return "", nil, err
	}
	if o.Notes == "" {
		return filepath.Join(dir, tempPrefix+rand.Text()), func() {}, nil
	}
	if err := os.MkdirAll(o.Notes, 0o700); err != nil {
		return "", nil, err
	}
	f, err := os.CreateTemp(o.Notes, tempPrefix)
	if err != nil {
		return "", nil, err
	}
	temp = filepath.Join(dir, filepath.Base(f.Name()))
	done = func() { os.Remove(f.Name()) }
	_, err = f.WriteString(dir)
	if err = errors.Join(err, f.Close()); err != nil {
		done()
	}
	return temp, done, err
}

// Reclaim removes what processes that were killed left. It must not run beside
// others that write outputs with these notes.
func (o Outputs) Reclaim() error {
	var errs []error
	for _, note := range Unfinished(o.Notes) {
		dir, err := os.ReadFile(note)
		if err == nil && filepath.IsAbs(string(dir)) {
			err = tree.RemoveAll(filepath.Join(string(dir), filepath.Base(note)))
		}
		errs = append(errs, err, os.Remove(note))
	}
	return errors.Join(errs...)
}

// WriteFile writes a file whole or not at all. Symbolic links are followed, and
// what is no file is written in place.
func (o Outputs) WriteFile(ctx context.Context, name string, write func(io.Writer) error) error {
	t, err := FindTarget(name)
	if err != nil {
		return err
	}
	if t.InPlace {
		return t.write(ctx, write)
	}
	name = t.Path
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	temp, done, err := o.Note(dir)
	if err != nil {
		return err
	}
	defer done()
	tmp, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return finish(tmp, name, func(w io.Writer) error { return write(Writer(ctx, w)) })
}

// Writer returns a writer that fails when the context is done.
func Writer(ctx context.Context, w io.Writer) io.Writer { return &writer{ctx, w} }

type writer struct {
	ctx context.Context
	w   io.Writer
}

func (w *writer) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.w.Write(p)
}
